/* plan/finish_record.h - what the commit leaves for the first boot of the restored system
 *
 *   STATE/finish.json     one JSON object, for root alone; gone once all of it is done
 *
 * Paths are as the running system has them, from its root, without a leading slash.
 *
 * Source:     design of the first boot.
 * Units:      seconds; times in seconds since 1970.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT what is no record, ERR_UNSUPPORTED one from the future; a path that
 *             leads outside is refused.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "kube/layout.h"

enum { FINISH_RECORD_MAX = 1 << 20 };
#define FINISH_RECORD     "finish.json"
/* The last of `kubeconfigs`, and the first of `files`, where the restore has made it. */
#define FINISH_KUBECONFIG "finish.kubeconfig"

struct finish_member {
	const char *name;
	uint64_t id;
	struct kube_texts urls; /* of peers */
};

struct finish_cluster {
	const char *what; /* "etcd", "etcd-events" */
	uint64_t id, own; /* of the cluster; of this node's member */
	struct kube_texts clients;
	const char *ca, *cert, *key; /* for its clients; NULL: no TLS */
	struct finish_member *members;
	size_t n;
	/* Of a node that joins; `id` and `own` are 0 then, for they are not known before. */
	struct kube_texts urls;  /* its peer URLs; empty: it does not join */
	struct kube_texts seeds; /* client URLs of who may be asked to let it in */
	const char *listed;      /* what `files` say for --initial-cluster until that is known */
	struct kube_texts files; /* of what waits: where it waits */
	bool grows;              /* not in the record: others may join it meanwhile */
};

struct finish_held { /* a file that waits for etcd */
	const char *path, *held;
};

/* As the plan's switches; what a layout does not do is left out in any case. */
struct finish_wanted {
	bool cronjobs, stuck_pods, nodes, redeploy, csr;
};

struct finish_record {
	const char *plan, *node, *layout, *snapshot, *source;
	const char *role;            /* "restore", "single", "join", "stand-aside"; NULL: restore */
	const char *report, *syslog; /* NULL: nobody is told */
	int64_t restored;
	uint64_t deadline_s, redeploy_s; /* of all; of each redeployment, 0: the same */
	struct finish_wanted wanted;
	struct finish_cluster *clusters;
	size_t n_clusters;
	struct finish_held *held;
	size_t n_held;
	struct kube_texts lost;        /* names of Node objects that the plan replaced */
	struct kube_texts known;       /* names of Node objects in the snapshot */
	struct kube_texts kubeconfigs; /* the first that is let in is taken */
	struct kube_texts files;       /* its own, to be taken away in this order */
};

int finish_record_parse(
	struct finish_record *record, struct arena *a, struct str text, struct err *e);
int finish_record_print(struct buf *out, const struct finish_record *record, struct err *e);

/* What the first boot does, for `plan` and for its own log. */
enum finish_action {
	FINISH_ETCD,
	FINISH_MEMBERS,
	FINISH_PODS,
	FINISH_NODES,
	FINISH_STUCK_PODS,
	FINISH_CRONJOBS,
	FINISH_REDEPLOY,
	FINISH_CSR,
	FINISH_REMOVE,
	FINISH_ACTIONS,
};

struct finish_step {
	const char *name; /* "cronjobs" */
	const char *key;  /* that turns it off; NULL: none does */
	const char *text;
	bool done, api; /* of this layout and plan; through the Kubernetes API */
};

/* Of the node itself. */
struct finish_part {
	bool joins;    /* instead of being restored: the rest is left to those who were */
	bool replaces; /* the plan has replaced masters */
	bool alone;    /* restored as the only member */
};

void finish_steps(struct finish_step steps[FINISH_ACTIONS], const char *layout,
	const struct finish_wanted *wanted, const struct finish_part *part);

/* Are the other static pods of this layout held back until etcd serves? */
bool finish_holds(const char *layout);

/* Are masters that are no members any more made anew, their Nodes being deleted before? */
bool finish_loses(const char *layout);
bool finish_alone(const struct finish_record *record);
