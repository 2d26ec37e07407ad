#include "bolt/cursor.h"

#include <inttypes.h>

#include "base/buf.h"

struct bolt_bucket bolt_bucket_root(const struct bolt_db *db)
{
	return (struct bolt_bucket){ .root = db->meta.root, .sequence = db->meta.sequence };
}

int bolt_bucket_parse(struct bolt_bucket *bucket, const struct bolt_db *db, struct span name,
	struct span value, struct err *e)
{
	if (value.len < BOLT_HEADER)
		return err_set(e, ERR_FORMAT, "bucket '%.*s': its entry has only %zu bytes",
			(int)name.len, (const char *)name.p, value.len);
	struct bolt_bucket b = {
		.root = le64(value.p), .sequence = le64(value.p + 8), .name = name
	};
	if (!b.root) {
		const struct span rest = { value.p + BOLT_HEADER, value.len - BOLT_HEADER };
		if (bolt_page_parse_inline(&b.page, rest, name, e))
			return e->code;
	} else if (b.root < 2 || b.root >= db->meta.pgid) {
		return err_set(e, ERR_FORMAT,
			"bucket '%.*s': its root, page %" PRIu64 ", is none of the %" PRIu64
			" pages",
			(int)name.len, (const char *)name.p, b.root, db->meta.pgid);
	}
	*bucket = b;
	return 0;
}

void bolt_cursor_init(
	struct bolt_cursor *c, const struct bolt_db *db, const struct bolt_bucket *bucket)
{
	*c = (struct bolt_cursor){ .db = db, .bucket = *bucket };
}

void bolt_cursor_free(struct bolt_cursor *c)
{
	for (unsigned i = 0; i < BOLT_DEPTH_MAX; i++)
		bolt_slot_free(&c->frame[i].slot);
	c->depth = 0;
}

/* Only these kinds have items, which the load has found to lie within the page. */
static int check_kind(const struct bolt_page *page, struct err *e)
{
	if (page->flags == BOLT_LEAF)
		return 0;
	if (page->flags != BOLT_BRANCH)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": is a %s page, where a branch or leaf should be",
			page->id, bolt_kind(page->flags));
	if (!page->count)
		return err_set(
			e, ERR_FORMAT, "page %" PRIu64 ": a branch without children", page->id);
	return 0;
}

static int push_root(struct bolt_cursor *c, struct err *e)
{
	struct bolt_frame *f = &c->frame[0];

	c->depth = 1;
	f->low = f->high = (struct span){ 0 };
	f->at = 0;
	if (!c->bucket.root) {
		f->page = &c->bucket.page;
		return check_kind(f->page, e);
	}
	if (bolt_db_load(&f->slot, c->db, c->bucket.root, e))
		return e->code;
	f->page = &f->slot.page;
	return check_kind(f->page, e);
}

/* Load the child at frame->at of the deepest frame, a branch. */
static int push_child(struct bolt_cursor *c, struct err *e)
{
	const struct bolt_frame *up = &c->frame[c->depth - 1];
	struct bolt_frame *f = up + 1 < c->frame + BOLT_DEPTH_MAX ? &c->frame[c->depth] : NULL;

	if (!f)
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": the tree is deeper than %d pages",
			up->page->id, BOLT_DEPTH_MAX);
	const struct bolt_item item = bolt_page_item(up->page, up->at);
	f->low = item.key;
	f->high =
		up->at + 1u < up->page->count ? bolt_page_item(up->page, up->at + 1).key : up->high;
	f->at = 0;
	if (bolt_db_load(&f->slot, c->db, item.child, e))
		return err_wrap(e, "page %" PRIu64 ", element %u", up->page->id, up->at);
	f->page = &f->slot.page;
	c->depth++;
	return check_kind(f->page, e) ? (int)e->code
				      : bolt_page_check_bounds(f->page, f->low, f->high, e);
}

static void take(struct bolt_cursor *c)
{
	const struct bolt_frame *f = &c->frame[c->depth - 1];
	const struct bolt_item item = bolt_page_item(f->page, f->at);

	c->key = item.key;
	c->value = item.value;
	c->flags = item.flags;
}

/* From the deepest frame down to a leaf, by the first or the last child. */
static int descend(struct bolt_cursor *c, bool last, struct err *e)
{
	for (;;) {
		struct bolt_frame *f = &c->frame[c->depth - 1];
		if (last && f->page->count)
			f->at = f->page->count - 1u;
		if (f->page->flags == BOLT_LEAF)
			return 0;
		if (c->db->ahead)
			bolt_db_ahead(c->db, f->page);
		if (push_child(c, e))
			return e->code;
	}
}

/* The deepest frame is a leaf; leave it, and empty ones behind it, in one direction. */
static int settle(bool *there, struct bolt_cursor *c, bool back, struct err *e)
{
	while (c->depth) {
		struct bolt_frame *f = &c->frame[c->depth - 1];
		if (f->page->flags == BOLT_LEAF && f->at < f->page->count) {
			take(c);
			*there = true;
			return 0;
		}
		do {
			if (c->db->behind && f->page->flags == BOLT_BRANCH)
				bolt_db_behind(c->db, f->page);
			if (!--c->depth)
				break;
			f = &c->frame[c->depth - 1];
		} while (back ? !f->at : f->at + 1u >= f->page->count);
		if (!c->depth)
			break;
		f->at += back ? -1u : 1u;
		if (push_child(c, e) || descend(c, back, e))
			return e->code;
	}
	*there = false;
	return 0;
}

int bolt_cursor_first(bool *there, struct bolt_cursor *c, struct err *e)
{
	if (push_root(c, e) || descend(c, false, e))
		return e->code;
	return settle(there, c, false, e);
}

int bolt_cursor_last(bool *there, struct bolt_cursor *c, struct err *e)
{
	if (push_root(c, e) || descend(c, true, e))
		return e->code;
	return settle(there, c, true, e);
}

int bolt_cursor_seek(bool *there, struct bolt_cursor *c, struct span key, struct err *e)
{
	if (push_root(c, e))
		return e->code;
	for (;;) {
		struct bolt_frame *f = &c->frame[c->depth - 1];
		f->at = bolt_page_find(f->page, key);
		if (f->page->flags == BOLT_LEAF)
			return settle(there, c, false, e);
		/* The child before may hold the key, unless a branch key is the key itself. */
		if (f->at == f->page->count ||
			(f->at && !span_equal(bolt_page_item(f->page, f->at).key, key)))
			f->at--;
		if (push_child(c, e))
			return e->code;
	}
}

int bolt_cursor_next(bool *there, struct bolt_cursor *c, struct err *e)
{
	if (!c->depth) {
		*there = false;
		return 0;
	}
	c->frame[c->depth - 1].at++;
	return settle(there, c, false, e);
}

int bolt_cursor_prev(bool *there, struct bolt_cursor *c, struct err *e)
{
	if (!c->depth) {
		*there = false;
		return 0;
	}
	struct bolt_frame *f = &c->frame[c->depth - 1];
	f->at = f->at ? f->at - 1 : f->page->count;
	return settle(there, c, true, e);
}

int bolt_bucket_find(struct bolt_bucket *bucket, bool *found, struct bolt_slot *slot,
	const struct bolt_db *db, struct span name, struct err *e)
{
	const struct bolt_bucket root = bolt_bucket_root(db);
	CLEAN_CURSOR struct bolt_cursor c = { 0 };

	bolt_cursor_init(&c, db, &root);
	if (bolt_cursor_seek(found, &c, name, e))
		return e->code;
	*found = *found && span_equal(c.key, name);
	if (!*found)
		return 0;
	if (!(c.flags & BOLT_ITEM_BUCKET))
		return err_set(e, ERR_FORMAT, "'%.*s' is an entry, not a bucket", (int)name.len,
			(const char *)name.p);
	if (bolt_bucket_parse(bucket, db, name, c.value, e))
		return e->code;
	/* The inline page stays with the caller. */
	if (!bucket->root) {
		bolt_slot_free(slot);
		*slot = c.frame[c.depth - 1].slot;
		c.frame[c.depth - 1].slot = (struct bolt_slot){ 0 };
	}
	return 0;
}

int bolt_get(struct buf *out, bool *found, const struct bolt_db *db, struct span bucket,
	struct span key, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct bolt_bucket b;

	if (bolt_bucket_find(&b, found, &slot, db, bucket, e))
		return e->code;
	if (!*found)
		return 0;
	bolt_cursor_init(&c, db, &b);
	if (bolt_cursor_seek(found, &c, key, e))
		return e->code;
	*found = *found && span_equal(c.key, key);
	return *found ? buf_add(out, c.value.p, c.value.len, e) : 0;
}
