/* bolt/check.h - walk a whole file, and everything a sound one promises
 *
 * The walk takes the buckets in byte order and the entries of each in key order.  The
 * check also sees to it that no page is used twice, that no page is used and free, and,
 * when a freelist is stored, that each page is one of the two.
 *
 * Source:     bbolt 1.3.11 and 1.4.3, tx_check.go.
 * Units:      pages, entries.
 * Ownership:  what a visitor is handed lives until it returns.
 * Errors:     ERR_FORMAT naming the page, with the bucket in front; what a visitor returns.
 */
#pragma once

#include "bolt/db.h"

struct bolt_visitor {
	int (*bucket)(void *ctx, struct span name, struct err *e); /* NULL: not wanted */
	/* Entries of buckets within buckets, which etcd has not, are not shown. */
	int (*entry)(
		void *ctx, struct span bucket, struct span key, struct span value, struct err *e);
	void *ctx;
};

struct bolt_tally {
	uint64_t buckets, entries, pages_used, pages_free;
};

int bolt_walk(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_visitor *visitor, struct err *e);

int bolt_check(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_visitor *visitor, struct err *e);

/* The entries of one bucket; none when the file has no such bucket. */
int bolt_walk_bucket(const struct bolt_db *db, struct span name, const struct bolt_visitor *visitor,
	struct err *e);
