/* plan/survivors.h - does anybody of the old cluster still live?
 *
 * Asked before anything is committed: every peer URL of every other member, of the cluster that
 * is about to be made and of the one that was, GET /members with this node's own peer
 * certificate. etcd answers that on its peer port, also without a leader, and says in the header
 * X-Etcd-Cluster-Id to which cluster it belongs.
 *
 *	nobody     refused, no route, no name, or nobody took the connection in time: also a master
 *	           that stands in the rescue image
 *	restored   the id is ours, and it is not the old cluster's too
 *	survivor   any other id
 *	unknown    somebody took the connection, and what came cannot be told: the TLS failed, there
 *	           is no such header, silence. Counts as a survivor.
 *
 * With a token that the plan names the new id can be the old one, and then what answers with it
 * cannot be told apart; but members that the gate knows to have committed (`committed`) are
 * restored ones.
 *
 *	survivors:   a survivor or unknown   the new id is the old one
 *	stop         refused                 refused without asking
 *	none         refused                 asked; whoever answers is refused
 *	proceed      a warning               refused without asking
 *
 * Source:     etcd server/etcdserver/api/etcdhttp/peer.go, 3.3 - 3.7.
 * Units:      milliseconds.
 * Ownership:  answers live in the arena; spans and texts of the question are borrowed.
 * Errors:     survivors_judge: ERR_DECLINED, naming who answers and the override.
 */
#pragma once

#include "base/event.h"
#include "etcd/ident.h"
#include "kube/layout.h"
#include "plan/schema.h"

enum survivors_kind {
	SURVIVORS_NOBODY,
	SURVIVORS_RESTORED,
	SURVIVORS_SURVIVOR,
	SURVIVORS_UNKNOWN,
};

struct survivors_question {
	const struct etcd_cluster *cluster; /* that is about to be made */
	const struct etcd_member *own;      /* of it: is not asked; NULL: this node is none */
	const struct kube_members *old;     /* as disk or snapshot say; NULL: not known */
	/* Id of the cluster that was, 0: not known. With a token that the plan names and an old id
	 * that nothing tells, give cluster->id: then nobody can be told apart. */
	uint64_t old_id;
	const char *const *committed;  /* names of whom the gate says so; NULL-terminated */
	struct span ca, cert, key;     /* PEM, of the peers' TLS; empty: none */
	unsigned connect_ms, total_ms; /* 0: 3,000 and 10,000 */
	/* How long one is asked again who takes the connection and says nothing: an etcd that is
	 * only starting does so, be it of an old cluster or a restored one. */
	unsigned patience_ms;
	int (*go_on)(void *ctx, struct err *e); /* asked meanwhile; NULL: never stops */
	void *ctx;
	const struct listener *listener;
};

struct survivors_answer {
	const char *name, *url; /* the most telling of its URLs */
	enum survivors_kind kind;
	uint64_t cluster_id; /* 0: was not told */
	const char *why;     /* in words */
};

struct survivors {
	struct survivors_answer *v; /* one a member */
	size_t n;
	bool same_id; /* old and new cluster cannot be told apart */
};

/* Ask all of them, one after the other. Fails only for questions that make no sense. */
int survivors_ask(struct survivors *survivors, struct arena *a,
	const struct survivors_question *question, struct err *e);

/* May the restore go on?  Warnings go to the listener. */
int survivors_judge(const struct survivors *survivors, enum plan_survivors policy,
	const struct listener *listener, struct err *e);

/* All of it, in the order that the policy needs. */
int survivors_check(struct survivors *survivors, struct arena *a,
	const struct survivors_question *question, enum plan_survivors policy, struct err *e);

/* "nobody", "restored", "survivor", "unknown" */
const char *survivors_word(enum survivors_kind kind);
