/* plan/finish_join_judge.h - what etcd says of its members, and what that means for one who joins
 *
 *   nobody has our peer URLs                add
 *   somebody has them and never started     ours of an earlier try: start it
 *   ... and started                         ours, if our data are there: promote where it learns
 *   ... and started, our data are gone      stale: has to go first, for raft knows it with a log
 *   others have our name or one of them     stale: two of a name are one in --initial-cluster
 *
 * "Started" is who has published addresses for clients.  All of it is pure: nothing is asked here.
 *
 * Source:     etcd 3.3 - 3.7: api/etcdserverpb/rpc.proto as its gateway puts it into JSON,
 *             api/v3rpc/rpctypes/error.go, server/etcdserver/bootstrap.go (how a member that joins
 *             compares --initial-cluster with what the others say).
 * Units:      none.
 * Ownership:  everything lives in the arena; the verdict borrows the list.
 * Errors:     ERR_FORMAT for what is no list of members, or cannot stand in --initial-cluster.
 */
#pragma once

#include "base/arena.h"
#include "kube/layout.h"

struct join_member {
	uint64_t id;
	const char *name; /* "": it has none yet */
	struct kube_texts urls, clients;
	bool learner;
};

struct join_list {
	uint64_t cluster;
	struct join_member *v;
	size_t n;
};

/* The answer to member/list, member/add and their like. */
int join_list_parse(struct join_list *list, struct arena *a, struct str answer, const char *what,
	struct err *e);

bool join_member_started(const struct join_member *member);

/* What is known of this node's own data directory. */
enum join_data { JOIN_DATA_GONE, JOIN_DATA_THERE, JOIN_DATA_UNKNOWN };

enum join_case { JOIN_ADD, JOIN_ADDED, JOIN_STARTED, JOIN_STALE };

struct join_verdict {
	enum join_case what;
	const struct join_member *member; /* ours, or the stale one; NULL: add */
};

struct join_verdict join_judge(const struct join_list *list, const char *name,
	const struct kube_texts *urls, enum join_data data);

/* --initial-cluster of the member `own`, which is called `name`; others that have no name yet get
 * one by their id. */
int join_initial_cluster(const char **text, struct arena *a, const struct join_list *list,
	const char *name, uint64_t own, struct err *e);

/* What a refusal of the server, whose text is somewhere in `text`, asks for. */
enum join_refusal {
	JOIN_REFUSAL_UNKNOWN,
	JOIN_REFUSAL_LATER,    /* in a moment it may be granted */
	JOIN_REFUSAL_YIELD,    /* so, but another one has to go on first */
	JOIN_REFUSAL_EXISTS,   /* it is there already: look again */
	JOIN_REFUSAL_LEARNERS, /* the server knows no learners */
	JOIN_REFUSAL_NEVER,
};

/* `*why` is what a person is told; NULL where the server's own words do. */
enum join_refusal join_refusal_of(const char **why, const char *text);

/* "3.4.1" is 3 4; false for what is no version ("not_decided"). */
bool join_version(unsigned *major, unsigned *minor, struct str text);
