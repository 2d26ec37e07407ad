/* bolt/cursor.h - buckets, and a place in one: seek and walk in key order
 *
 * A bucket is the value of an entry whose leaf element says so: root page u64, sequence
 * u64.  Root 0 means that the bucket's only page, a leaf, stands right behind in the
 * value (inline).  The file's own bucket, which holds the others, is in the meta page.
 *
 * The cursor checks on its way what the tree promises: every page lies within the
 * bounds its parent gives, so the walk sees keys strictly ascending over the whole bucket.
 *
 * Source:     bbolt 1.3.11, bucket.go, cursor.go, tx_check.go.
 * Units:      bytes.
 * Ownership:  a bucket whose page is inline borrows the value it was read from.  A cursor
 *             owns its pages (CLEAN_CURSOR); key and value borrow until the next move.
 * Errors:     ERR_FORMAT naming the page; a cursor that has failed is not used again.
 */
#pragma once

#include "bolt/db.h"

struct bolt_bucket {
	uint64_t root; /* 0: inline */
	uint64_t sequence;
	struct span name;      /* for messages; empty for the file's own */
	struct bolt_page page; /* when inline */
};

enum { BOLT_DEPTH_MAX = 24 }; /* two children a page would make 2^24 pages of branches */

struct bolt_frame {
	struct bolt_slot slot;
	const struct bolt_page *page;
	unsigned at;
	struct span low, high; /* of its keys; an empty `high` is none */
};

struct bolt_cursor {
	const struct bolt_db *db;
	struct bolt_bucket bucket;
	struct bolt_frame frame[BOLT_DEPTH_MAX];
	unsigned depth; /* frames in use; 0: not on an entry */
	struct span key, value;
	uint32_t flags;
};

#define CLEAN_CURSOR __attribute__((cleanup(bolt_cursor_free)))

struct bolt_bucket bolt_bucket_root(const struct bolt_db *db);

/* The bucket in an entry's value. */
int bolt_bucket_parse(struct bolt_bucket *bucket, const struct bolt_db *db, struct span name,
	struct span value, struct err *e);

/* Find a bucket of the file by name.  `slot` keeps the page that an inline bucket borrows.
 * `*found` is false when there is none. */
int bolt_bucket_find(struct bolt_bucket *bucket, bool *found, struct bolt_slot *slot,
	const struct bolt_db *db, struct span name, struct err *e);

void bolt_cursor_init(
	struct bolt_cursor *c, const struct bolt_db *db, const struct bolt_bucket *bucket);
void bolt_cursor_free(struct bolt_cursor *c);

/* Go to an entry; `*there` is false when there is none, else key, value and flags are its.
 * seek goes to the first entry that is not less than `key`. */
int bolt_cursor_first(bool *there, struct bolt_cursor *c, struct err *e);
int bolt_cursor_last(bool *there, struct bolt_cursor *c, struct err *e);
int bolt_cursor_seek(bool *there, struct bolt_cursor *c, struct span key, struct err *e);
int bolt_cursor_next(bool *there, struct bolt_cursor *c, struct err *e);
int bolt_cursor_prev(bool *there, struct bolt_cursor *c, struct err *e);

/* One value by its key, copied to `out`; `*found` is false when it is not there. */
struct buf;
int bolt_get(struct buf *out, bool *found, const struct bolt_db *db, struct span bucket,
	struct span key, struct err *e);
