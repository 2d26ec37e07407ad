/* plan/finish_api.h - the Kubernetes API as this node's own kubeconfigs let us in, and the Lease
 * under which one master at a time acts
 *
 * A kubeconfig's path may hold one `*`, which stands for the highest number: the newest revision of
 * OpenShift's static pods.  Its certificates and its token are in it, or in files beside it, from
 * the root, or as the containers of these pods see them.
 *
 * The Lease is kube-system/etcd-rescue, its holder the node.  One that was not renewed for its
 * duration, by our own clock, is taken over; one that is let go of has no holder.  Where no Leases
 * (v1) are served, the same stands in an annotation of a ConfigMap of that name.
 *
 * Its annotation etcd-rescue/done names what has been done since the restore, so that the masters
 * whose turn comes later need not wait for the same again.
 *
 * Source:     Kubernetes API conventions; coordination.k8s.io/v1 (1.14);
 *             client-go's leader election for when a Lease counts as lost.
 * Units:      milliseconds since the machine started, where the name says so.
 * Ownership:  finish_api_close gives connections and keys back; the rest lives in the arena.
 * Errors:     those of net/http.h; finish_lease_take: ERR_DECLINED while somebody else has it.
 */
#pragma once

#include "codec/doc.h"
#include "os/root.h"
#include "plan/finish_ask.h"
#include "plan/finish_record.h"

struct finish_api {
	struct arena *arena;
	const char *server, *config; /* NULL: not found yet */
	const char *holder;
	const char *mark; /* of this restore, alike on all masters; NULL: notes stay as they are */
	bool nodes;       /* are to be deleted: who may not is not let in */
	struct finish_peer peer;
	/* Of a Lease of somebody else: what it said, and since when. */
	char seen[64];
	int64_t seen_ms, renewed_ms;
	char done[256];  /* the mark and what has been done, a word each; empty: nothing */
	bool held, lost; /* the lock: ours; another one's, who found it unrenewed */
	bool old;        /* no Leases are served */
};

/* Tries each kubeconfig; the first that may read Leases, and delete Nodes where that is to be
 * done, is taken. */
int finish_api_open(struct finish_api *api, const struct root *root,
	const struct finish_record *record, struct err *e);
void finish_api_close(struct finish_api *api);

/* "DIR/NAME-*" + "/REST": the one with the highest number; NULL: there is none. */
const char *finish_config_newest(struct arena *a, const struct root *root, const char *path);
/* Has this kubeconfig of a system that is not running a client certificate of `organization`, with
 * its key, that is valid for more than a day? */
bool finish_config_would_do(struct arena *a, const struct root *root, const char *path,
	const char *organization, int64_t now);

struct finish_answer {
	unsigned status;
	struct str text;
	const struct doc_node *root;
};

/* `path` begins with a slash; `body` NULL: none. */
int finish_api_call(struct finish_answer *answer, struct finish_api *api, const char *method,
	const char *path, const char *body, struct err *e);

/* Each object of a list, page by page; `each` may fail, what it keeps it copies. */
int finish_api_list(struct finish_api *api, const char *path,
	int (*each)(void *ctx, const struct doc_node *object, struct str text, struct err *e),
	void *ctx, struct err *e);

/* Gone if it is still the one with this uid, and at this version where one is given.  One that is
 * gone already is no error. */
int finish_api_delete(struct finish_api *api, const char *path, struct str uid, struct str version,
	bool at_once, struct err *e);

/* A letter of a name that would end a path is none of Kubernetes'. */
bool finish_api_is_name(struct str name);

/* One try; again before it is older than FINISH_LEASE_S / 3. */
enum { FINISH_LEASE_S = 60 };
int finish_lease_find(struct finish_api *api, struct err *e); /* or a ConfigMap? may we read it? */
int finish_lease_take(struct finish_api *api, struct err *e);
int finish_lease_keep(struct finish_api *api, struct err *e);
void finish_lease_drop(struct finish_api *api);

/* Was it done on a master since this restore?  Known while we hold the Lease. */
bool finish_lease_did(const struct finish_api *api, const char *what);
/* It has been; the others read it once the Lease is renewed or let go of. */
void finish_lease_note(struct finish_api *api, const char *what);

/* May a Lease with this spec be taken?  `since_ms` is how long it has not changed. */
bool finish_lease_is_free(const struct doc_node *spec, const char *holder, int64_t since_ms);
