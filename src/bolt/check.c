#include "bolt/check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "bolt/cursor.h"
#include "bolt/freelist.h"

enum { NESTING_MAX = 8 };

static const struct bolt_visitor nobody = { 0 };

static int walk_nested(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_bucket *bucket, unsigned nesting, struct err *e);

/* A bucket within a bucket: no entry of it is shown, but its pages are walked. */
static int enter_nested(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_cursor *c, unsigned nesting, struct err *e)
{
	struct bolt_bucket inner;

	if (nesting == NESTING_MAX)
		return err_set(e, ERR_FORMAT, "buckets are nested more than %d deep", NESTING_MAX);
	if (bolt_bucket_parse(&inner, db, c->key, c->value, e))
		return e->code;
	return walk_nested(tally, db, &inner, nesting + 1, e);
}

static int walk_nested(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_bucket *bucket, unsigned nesting, struct err *e)
{
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	bool there;

	bolt_cursor_init(&c, db, bucket);
	if (bolt_cursor_first(&there, &c, e))
		return e->code;
	while (there) {
		tally->entries++;
		if (c.flags & BOLT_ITEM_BUCKET && enter_nested(tally, db, &c, nesting, e))
			return e->code;
		if (bolt_cursor_next(&there, &c, e))
			return e->code;
	}
	return 0;
}

static int walk_bucket(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_bucket *bucket, const struct bolt_visitor *v, struct err *e)
{
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	bool there;

	bolt_cursor_init(&c, db, bucket);
	if (bolt_cursor_first(&there, &c, e))
		return e->code;
	while (there) {
		tally->entries++;
		struct span value = c.value;
		if (c.flags & BOLT_ITEM_BUCKET) {
			value = (struct span){ 0 };
			if (enter_nested(tally, db, &c, 1, e))
				return e->code;
		}
		if (v->entry && v->entry(v->ctx, bucket->name, c.key, value, e))
			return e->code;
		if (bolt_cursor_next(&there, &c, e))
			return e->code;
	}
	return 0;
}

int bolt_walk(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_visitor *visitor, struct err *e)
{
	const struct bolt_visitor *v = visitor ? visitor : &nobody;
	const struct bolt_bucket root = bolt_bucket_root(db);
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct bolt_bucket bucket;
	bool there;

	*tally = (struct bolt_tally){ 0 };
	bolt_cursor_init(&c, db, &root);
	if (bolt_cursor_first(&there, &c, e))
		return e->code;
	while (there) {
		const int name_len = c.key.len < 64 ? (int)c.key.len : 64;
		if (!(c.flags & BOLT_ITEM_BUCKET))
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": '%.*s' is an entry where only buckets can be",
				c.frame[c.depth - 1].page->id, name_len, (const char *)c.key.p);
		tally->buckets++;
		if (bolt_bucket_parse(&bucket, db, c.key, c.value, e))
			return e->code;
		if (v->bucket && v->bucket(v->ctx, c.key, e))
			return e->code;
		if (walk_bucket(tally, db, &bucket, v, e))
			return err_wrap(e, "bucket '%.*s'", name_len, (const char *)c.key.p);
		if (bolt_cursor_next(&there, &c, e))
			return e->code;
	}
	return 0;
}

int bolt_walk_bucket(const struct bolt_db *db, struct span name, const struct bolt_visitor *visitor,
	struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	struct bolt_tally tally = { 0 };
	struct bolt_bucket bucket;
	bool found;

	if (bolt_bucket_find(&bucket, &found, &slot, db, name, e))
		return e->code;
	if (!found)
		return 0;
	if (walk_bucket(&tally, db, &bucket, visitor, e))
		return err_wrap(e, "bucket '%.*s'", (int)name.len, (const char *)name.p);
	return 0;
}

static bool is_seen(const uint64_t *seen, uint64_t id)
{
	return seen[id / 64] >> (id % 64) & 1;
}

static int check_free(struct bolt_tally *tally, const struct bolt_db *db, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	struct bolt_freelist list;
	uint64_t next = 0;

	if (bolt_freelist_load(&list, &slot, db, e))
		return e->code;
	for (uint64_t id = 2; id < db->meta.pgid; id++)
		tally->pages_used += is_seen(db->seen, id);
	tally->pages_free = db->meta.pgid - 2 - tally->pages_used;
	if (db->meta.freelist == BOLT_NO_FREELIST)
		return 0;
	for (uint64_t id = 2; id < db->meta.pgid; id++) {
		const bool free_page = next < list.count && bolt_freelist_id(&list, next) == id;
		next += free_page;
		if (free_page && is_seen(db->seen, id))
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": in use, but the freelist names it", id);
		if (!free_page && !is_seen(db->seen, id))
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": neither in use nor in the freelist", id);
	}
	return 0;
}

int bolt_check(struct bolt_tally *tally, const struct bolt_db *db,
	const struct bolt_visitor *visitor, struct err *e)
{
	struct bolt_db watched = *db;
	const size_t words = (size_t)(db->meta.pgid / 64 + 1);

	watched.seen = calloc(words, sizeof *watched.seen);
	if (!watched.seen)
		out_of_memory(words * sizeof *watched.seen);
	if (!bolt_walk(tally, &watched, visitor, e))
		check_free(tally, &watched, e);
	free(watched.seen);
	return e->code;
}
