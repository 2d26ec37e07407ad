/* plan/finish_join_change.h - what a node that joins has the cluster change, and what it is refused
 *
 *   POST PREFIX/cluster/member/remove    who has our name or address, its data gone, when nobody
 *                                        takes a connection at any of its addresses three times in
 *                                        a row
 *   POST PREFIX/cluster/member/add       a learner where the whole cluster speaks 3.4 or newer
 *   POST PREFIX/cluster/member/promote   the learner
 *
 * Each is one try, under the lock, and is followed by another look.
 *
 * Source:     etcd 3.3 - 3.7: api/etcdserverpb/rpc.proto as its gateway puts it into JSON.
 * Units:      none.
 * Ownership:  what is said lives in the arena of this try.
 * Errors:     what the server refuses, in words; `final` is set where no later try is better.
 */
#pragma once

#include "plan/finish_join.h"

int join_remove(struct finish_join *join, const struct join_member *member, struct err *e);
int join_add(struct finish_join *join, struct err *e);
int join_promote(struct finish_join *join, const struct join_member *member, struct err *e);

/* As the caller says, or as all of the cluster can. */
int join_wants_learner(bool *learner, struct finish_join *join, struct err *e);

/* Somebody takes a connection at one of its addresses: which; NULL: nobody. */
const char *join_answers_at(struct finish_join *join, const struct join_member *member);

/* No try after this one. */
static inline int join_final(struct finish_join *join, struct err *e)
{
	join->final = true;
	return e->code;
}
