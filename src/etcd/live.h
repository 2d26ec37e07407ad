/* etcd/live.h - the keys that exist at a revision
 *
 * Goes backwards through the revisions, so that a key's first appearance is its latest
 * state: the newest change comes first, and the memory is that of a keyset, not of the keys.
 *
 * Source:     server/storage/mvcc/kvstore.go (restore).
 * Units:      revisions.
 * Ownership:  what a visitor is handed lives until it returns.
 * Errors:     ERR_USAGE for a revision that was compacted or is not there yet; what the
 *             visitor returns; ERR_FORMAT.
 */
#pragma once

#include "etcd/kv.h"

struct etcd_live_visitor {
	int (*key)(void *ctx, const struct etcd_kv *kv, struct err *e);
	void *ctx;
	bool done; /* set by the visitor: enough */
};

/* `revision` 0: the latest. */
int etcd_live_walk(const struct bolt_db *db, int64_t revision, struct etcd_live_visitor *visitor,
	struct err *e);

/* One key at a revision; its value is copied to `out`. */
struct etcd_live_key {
	bool found;
	struct etcd_kv kv; /* key and value borrow from `out` */
};
int etcd_live_get(struct etcd_live_key *key, struct buf *out, const struct bolt_db *db,
	struct span name, int64_t revision, struct err *e);
