/* etcd/kv.h - revisions and the entries of bucket `key`
 *
 *	key    main i64 BE, '_', sub i64 BE; a tombstone has one byte more, 't'
 *	value  KeyValue: 1 key, 2 create revision, 3 mod revision, 4 version, 5 value, 6 lease
 *
 * Source:     etcd server/storage/mvcc/revision.go; api/mvccpb/kv.proto.
 * Units:      revisions; a lease is an id, 0 for none.
 * Ownership:  key and value borrow the bytes they were read from.
 * Errors:     ERR_FORMAT.
 */
#pragma once

#include "base/buf.h"
#include "bolt/db.h"

enum { ETCD_REV_SIZE = 17 };

struct etcd_rev {
	int64_t main, sub;
	bool tombstone;
};

struct etcd_kv {
	struct span key, value;
	int64_t create, mod, version, lease;
};

int etcd_rev_parse(struct etcd_rev *rev, struct span key, struct err *e);

/* ETCD_REV_SIZE bytes, one more for a tombstone; returns how many. */
size_t etcd_rev_write(uint8_t *p, struct etcd_rev rev);
int etcd_rev_compare(struct etcd_rev a, struct etcd_rev b);

int etcd_kv_parse(struct etcd_kv *kv, struct span bytes, struct err *e);
int etcd_kv_write(struct buf *out, const struct etcd_kv *kv, struct err *e);

/* What the database says about its revisions; all 0 when it says nothing. */
struct etcd_revisions {
	struct etcd_rev last;        /* greatest in bucket `key` */
	int64_t scheduled, finished; /* compaction */
	int64_t current;             /* of a server on it: the greatest of all, at least 1 */
	int64_t compacted;
};
int etcd_revisions_read(struct etcd_revisions *r, const struct bolt_db *db, struct err *e);

/* One entry of bucket `meta`, `cluster` or `auth`; `*found` is false when it is missing. */
struct etcd_number {
	uint64_t value;
	bool found;
};
int etcd_meta_u64(struct etcd_number *n, const struct bolt_db *db, struct span key, struct err *e);
