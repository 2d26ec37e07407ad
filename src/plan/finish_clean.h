/* plan/finish_clean.h - what a restore leaves behind in the Kubernetes API, and only that
 *
 *   nodes      a Node of a master that is not ready: the plan replaced its name; or (layout
 *              openshift-4.2, restored as a single member) the snapshot knows it, it is no member
 *              any more, and nobody has heard of it since
 *   pods       scheduled before the restore and not started since, with a controller that makes
 *              another; or on its way out, or unknown, since before, where its node is gone
 *   cronjobs   plan/finish_cron.h; made anew as they are
 *
 * Each is looked at twice, FINISH_SETTLE_S (or an eighth of the deadline) apart, and only
 * goes when it was the same both times, by its uid.  CronJobs are not looked at before the API
 * has served that long, and then twice within a quarter of a minute.  A CronJob's text is kept in
 * STATE/finish/ while it is being replaced, and made from there when the power went meanwhile.
 *
 * Source:     Kubernetes Node, Pod v1, CronJob batch/v1 (1.21) and v1beta1.
 * Units:      seconds since 1970; milliseconds of the monotonic clock where the name says so.
 * Ownership:  borrows all that it is given.
 * Errors:     those of plan/finish_api.h.
 */
#pragma once

#include "plan/finish_api.h"
#include "plan/finish_wait.h"

enum { FINISH_SETTLE_S = 120 };

struct finish_clean {
	struct finish_api *api;
	const struct finish_record *record;
	const struct listener *listener;
	const struct root *state; /* the state directory */
	const struct finish_wait *wait;
	int64_t up;               /* since when the API serves */
	int64_t patience_s;       /* FINISH_SETTLE_S, or an eighth of all the time there is */
	int64_t turn_s;           /* for each redeployment */
	size_t removed;           /* so far, of all kinds */
	bool cut;                 /* something was left, for there was no time */
	struct finish_csrs *csrs; /* looked at while it waits (plan/finish_csr.h); NULL: not */
};

/* Sleeps so long; the Lease does not run out meanwhile. */
int finish_clean_rest(struct finish_clean *c, int64_t ms, struct err *e);

int finish_clean_nodes(struct finish_clean *c, struct err *e);
int finish_clean_pods(struct finish_clean *c, struct err *e);
int finish_clean_cronjobs(struct finish_clean *c, struct err *e);

/* The judges; NULL: it stays. */
const char *finish_node_lost(const struct doc_node *node, const struct finish_record *record);
/* What it says of being ready is from before the restore, so that it may yet be lost. */
bool finish_node_is_unsure(const struct doc_node *node, const struct finish_record *record);
bool finish_node_is_ready(const struct doc_node *node);

struct finish_nodes { /* that are there, and whether they are ready */
	struct finish_node {
		const char *name;
		bool ready;
		struct finish_node *next;
	} * first;
};

/* `*at_once`: nobody is there to end it. */
const char *finish_pod_stuck(bool *at_once, const struct doc_node *pod,
	const struct finish_nodes *nodes, int64_t restored);

/* What a CronJob says, for finish_cron_judge. */
struct finish_cronjob;
void finish_cronjob_read(struct finish_cronjob *job, const struct doc_node *object);

/* The object as it may be made again: without what the server writes. */
int finish_object_again(struct buf *out, const struct doc_node *object, struct str text,
	const char *version, const char *kind, struct err *e);
