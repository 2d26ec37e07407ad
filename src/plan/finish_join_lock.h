/* plan/finish_join_lock.h - one node at a time joins
 *
 *   etcd-rescue/join    "NAME BOOT PID" of who joins, under a lease of JOIN_LOCK_S
 *
 * A member that starts compares its --initial-cluster with the members there are then, so that
 * nobody may come or go between its being added and its start; and a cluster takes one learner,
 * or one voter that has not started, at a time.  The key is in the cluster that is joined, where
 * all who join can see it.  It goes when its holder is done; of one that died it goes with the
 * lease, which counts on in no cluster without a quorum.  One that an earlier try on this very
 * machine left, whose process is gone, is taken over at once.
 *
 * Source:     etcd 3.3 - 3.7, api/etcdserverpb/rpc.proto: Txn, LeaseGrant, LeaseKeepAlive,
 *             LeaseRevoke, the last of which 3.3 and 3.4 have below /kv.
 * Units:      seconds where the name says so.
 * Ownership:  borrows the connection and the name.
 * Errors:     ERR_DECLINED while somebody else has it, by name; those of finish_etcd_call.
 */
#pragma once

#include "plan/finish_etcd.h"

enum { JOIN_LOCK_S = 45, JOIN_LOCK_KEEP_MS = 10000 };
#define JOIN_LOCK_KEY "etcd-rescue/join"

struct join_lock {
	uint64_t lease; /* 0: none */
	bool held;
	int64_t kept_ms;
};

/* One try. */
int join_lock_take(struct join_lock *lock, struct finish_etcd *s, struct arena *a, const char *name,
	struct err *e);

/* When it is time; one that was lost is no longer `held`, and then it is ERR_MISMATCH. */
int join_lock_keep(struct join_lock *lock, struct finish_etcd *s, struct arena *a, struct err *e);

/* Asked for some seconds; what fails even then ends with the lease. */
void join_lock_drop(struct join_lock *lock, struct finish_etcd *s, struct arena *a);

/* The answer to the transaction: 0 and `*held` what stands there (NULL: it is ours now), or
 * ERR_FORMAT. */
int join_lock_judge(const char **held, struct arena *a, struct str answer, struct err *e);

/* Is what stands there of a process of this machine that is gone? */
bool join_lock_is_dead(const char *held, const char *name);
