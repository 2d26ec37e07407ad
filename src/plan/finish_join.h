/* plan/finish_join.h - a node becomes a member of a cluster that serves
 *
 *   look       through the first of the seeds that answers: who is there (finish_join_judge.h)
 *   lock       one node at a time, from here until it has started (finish_join_lock.h)
 *   remove     what is stale: who has our name or addresses, and has lost its data
 *   add        as a learner where it can be, else as a voter (finish_join_change.h)
 *   start      the caller is told --initial-cluster, again whenever it changes
 *   wait       until the cluster says that it has started
 *   promote    the learner, when it has caught up
 *
 * Each try looks first and goes on with what is left, so that a crash at any point costs nothing
 * but the lease of the lock; what may pass is tried again until the deadline.  A cluster that has
 * no quorum because our voter has been added and does not run (3.3) gives no lock, and needs none:
 * nobody else can be added.
 *
 * Source:     etcd 3.3 - 3.7: api/v3rpc, server/etcdserver/server.go (checks of member changes).
 * Units:      milliseconds since the machine started.
 * Ownership:  borrows what is set before; what is found lives in the arena.
 * Errors:     ERR_DECLINED with what to do: somebody with our name or address runs, or the person
 *             stopped it; else the last reason at the deadline.
 */
#pragma once

#include "plan/finish_etcd.h"
#include "plan/finish_join_judge.h"
#include "plan/finish_join_lock.h"
#include "plan/finish_wait.h"

enum join_learner { JOIN_LEARNER_AUTO, JOIN_LEARNER_YES, JOIN_LEARNER_NO };

struct finish_join {
	/* set before */
	struct arena *arena;
	const struct root *root; /* where the certificates are */
	const struct listener *listener;
	const struct finish_cluster *cluster; /* urls, seeds, TLS */
	const char *name;
	enum join_learner learner;
	enum join_data (*data)(void *ctx); /* asked at each try */
	bool patient; /* certificates and seeds may come yet; else the first look has to succeed */
	struct finish_wait wait; /* the deadline, and who stops it */
	/* The first look may be refused; NULL: is not. */
	int (*check)(void *ctx, const struct join_verdict *verdict, struct err *e);
	/* Called with each new --initial-cluster of a member that has not started. */
	int (*start)(void *ctx, const char *initial_cluster, struct err *e);
	void *ctx;

	/* found and done */
	struct join_list list; /* of a look */
	uint64_t id, own;      /* of the cluster; of our member */
	bool added, promoted, learns;
	size_t removed;
	const char *told; /* --initial-cluster */

	/* its own */
	struct arena *scratch; /* of one try */
	struct finish_cluster seeds;
	struct kube_texts urls;
	struct finish_etcd etcd;
	struct join_lock lock;
	uint64_t silent; /* who did not answer, and how often in a row */
	unsigned n_silent;
	bool looked, final;
	bool asked_add, asked_promote; /* which may be done though the answer was lost */
};

int finish_join(struct finish_join *join, struct err *e);

/* One look, nothing is changed: the verdict, and whether it would be a learner. */
int finish_join_look(struct join_verdict *verdict, struct finish_join *join, struct err *e);
