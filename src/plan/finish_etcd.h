/* plan/finish_etcd.h - does this node's etcd serve, and is it the cluster that was restored?
 *
 *   POST PREFIX/kv/range              a linearizable read: there is a quorum
 *   POST PREFIX/cluster/member/list   cluster id, members, and who of them has ever started
 *
 *   finish_etcd_call                  anything else, through the address that answered first
 *
 * PREFIX is /v3, /v3beta (3.3) or /v3alpha (3.2): the first that the server knows.
 *
 * Source:     etcd 3.2 - 3.7, api/etcdserverpb/rpc.proto as its gateway puts it into JSON.
 * Units:      none.
 * Ownership:  finish_etcd_close gives connections and keys back; the rest lives in the arena.
 * Errors:     ERR_NET, ERR_AUTH: does not serve (yet); ERR_MISMATCH: it is another cluster, or
 *             has other members, with the first difference.
 */
#pragma once

#include "os/root.h"
#include "plan/finish_ask.h"
#include "plan/finish_record.h"

struct finish_etcd {
	const struct finish_cluster *cluster;
	const char *prefix, *url; /* NULL: nobody has answered yet */
	struct finish_peer peer;
	struct buf ca, cert, key;
};

/* Reads the certificates, which are not there before the layout's own agents made them. */
int finish_etcd_open(struct finish_etcd *s, const struct root *root,
	const struct finish_cluster *cluster, struct err *e);
void finish_etcd_close(struct finish_etcd *s);

/* POST of `body` to PREFIX `path`; the first address that answers is kept. */
int finish_etcd_call(struct buf *out, struct finish_etcd *s, struct arena *a, const char *path,
	const char *body, struct err *e);

/* One try. */
int finish_etcd_serves(struct finish_etcd *s, struct arena *a, struct err *e);

/* `*started` of the members have been started. */
int finish_etcd_members(size_t *started, struct finish_etcd *s, struct arena *a, struct err *e);

/* The answer to member/list. */
int finish_members_judge(size_t *started, struct arena *a, const struct finish_cluster *cluster,
	struct str answer, struct err *e);
