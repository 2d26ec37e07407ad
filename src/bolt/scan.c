#include "bolt/scan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "bolt/cursor.h"

static const struct bolt_visitor nobody = { 0 };

void bolt_scan_free(struct bolt_scan *scan)
{
	free(scan->leaf);
	free(scan->again);
	free(scan->more);
	scan->leaf = scan->again = NULL;
	scan->more = NULL;
	scan->room = 0;
}

static bool get(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void set(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static uint64_t *grow(uint64_t *bits, uint64_t from, uint64_t to)
{
	uint64_t *more = realloc(bits, (size_t)(to / 8));

	if (!more)
		out_of_memory((size_t)(to / 8));
	for (uint64_t i = from / 64; i < to / 64; i++)
		more[i] = 0;
	return more;
}

static void make_room(struct bolt_scan *s, uint64_t pages)
{
	uint64_t room = s->room ? s->room : 64 * 1024;

	while (room < pages)
		room *= 2;
	if (room == s->room)
		return;
	s->leaf = grow(s->leaf, s->room, room);
	s->again = grow(s->again, s->room, room);
	uint8_t *more = realloc(s->more, (size_t)room);
	if (!more)
		out_of_memory((size_t)room);
	s->more = more;
	s->room = room;
}

static void begin(struct bolt_scan *s, struct span piece)
{
	struct bolt_meta meta;
	struct err ignored;

	s->off = bolt_meta_parse(&meta, piece, &ignored) != 0;
	s->page_size = s->off ? 0 : meta.page_size;
}

/* What lies below a bucket's entry has to be judged as well. */
static bool has_buckets(const struct bolt_page *page)
{
	for (unsigned i = 0; i < page->count; i++) {
		if (bolt_page_item(page, i).flags & BOLT_ITEM_BUCKET)
			return true;
	}
	return false;
}

static void look(struct bolt_scan *s, struct span rest, uint64_t id)
{
	struct bolt_page page;
	struct err ignored;

	if (rest.len < BOLT_HEADER || le64(rest.p) != id)
		return;
	const struct bolt_header h = bolt_header_read(rest.p);
	if (h.flags != BOLT_LEAF) {
		if (h.flags == BOLT_BRANCH)
			set(s->again, id);
		return;
	}
	const uint64_t len = (1 + (uint64_t)h.overflow) * s->page_size;
	if (len > rest.len) {
		set(s->again, id);
		return;
	}
	const bool good =
		!bolt_page_parse(&page, (struct span){ rest.p, (size_t)len }, id, &ignored) &&
		!has_buckets(&page) && (!s->approve || s->approve(s->ctx, &page));
	/* A count that does not fit is as rare as values of a MiB. */
	if (good && h.overflow <= UINT8_MAX) {
		s->more[id] = (uint8_t)h.overflow;
		set(s->leaf, id);
	} else {
		set(s->again, id);
	}
}

void bolt_scan_feed(struct bolt_scan *s, struct span piece)
{
	if (!s->next)
		begin(s, piece);
	if (s->off || s->next % s->page_size) {
		s->off = true;
		return;
	}
	const uint64_t first = s->next / s->page_size;
	const uint64_t n = (piece.len + s->page_size - 1) / s->page_size;
	make_room(s, first + n);
	for (uint64_t i = 0; i < n; i++) {
		const size_t at = (size_t)(i * s->page_size);
		look(s, (struct span){ piece.p + at, piece.len - at }, first + i);
	}
	s->next += piece.len;
}

/* Ask for all of them at once, in the order of the file. */
static void fetch(const struct bolt_scan *s, const struct bolt_db *db)
{
	enum { GAP = 4 };
	uint64_t from = 0, to = 0;

	for (uint64_t id = 2; id < s->room && id < db->meta.pgid; id++) {
		if (!(id % 64) && !s->again[id / 64]) {
			id += 63;
			continue;
		}
		if (!get(s->again, id))
			continue;
		if (to && id - to > GAP) {
			posix_fadvise(db->fd, (off_t)(from * s->page_size),
				(off_t)((to + 1 - from) * s->page_size), POSIX_FADV_WILLNEED);
			from = id;
		}
		from = to ? from : id;
		to = id;
	}
	if (to)
		posix_fadvise(db->fd, (off_t)(from * s->page_size),
			(off_t)((to + 1 - from) * s->page_size), POSIX_FADV_WILLNEED);
}

struct judging {
	const struct bolt_scan *scan;
	const struct bolt_db *db; /* watches which pages are used */
	const struct bolt_visitor *visitor;
	struct span bucket;
};

static int judge_page(struct judging *j, uint64_t id, unsigned depth, struct err *e);

static int show_leaf(struct judging *j, const struct bolt_page *page, unsigned depth, struct err *e)
{
	struct bolt_bucket inner;

	for (unsigned i = 0; i < page->count; i++) {
		const struct bolt_item item = bolt_page_item(page, i);
		if (item.flags & BOLT_ITEM_BUCKET) {
			if (depth > BOLT_DEPTH_MAX)
				return err_set(e, ERR_FORMAT, "buckets are nested too deep");
			if (bolt_bucket_parse(&inner, j->db, item.key, item.value, e) ||
				(inner.root ? judge_page(j, inner.root, depth + 1, e)
					    : show_leaf(j, &inner.page, depth + 1, e)))
				return err_wrap(e, "page %" PRIu64, page->id);
		} else if (j->visitor->entry &&
			   j->visitor->entry(j->visitor->ctx, j->bucket, item.key, item.value, e)) {
			return err_wrap(e, "page %" PRIu64, page->id);
		}
	}
	return 0;
}

static int judge_page(struct judging *j, uint64_t id, unsigned depth, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };

	if (depth > BOLT_DEPTH_MAX)
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": the tree is deeper than %d pages",
			id, BOLT_DEPTH_MAX);
	if (id >= 2 && id < j->db->meta.pgid && id < j->scan->room && get(j->scan->leaf, id))
		return bolt_db_mark(j->db, id, j->scan->more[id], e);
	if (bolt_db_load(&slot, j->db, id, e))
		return e->code;
	if (slot.page.flags == BOLT_LEAF)
		return show_leaf(j, &slot.page, depth, e);
	if (slot.page.flags != BOLT_BRANCH)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": is a %s page, where a branch or leaf should be", id,
			bolt_kind(slot.page.flags));
	if (!slot.page.count)
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": a branch without children", id);
	for (unsigned i = 0; i < slot.page.count; i++) {
		if (judge_page(j, bolt_page_item(&slot.page, i).child, depth + 1, e))
			return depth ? e->code : err_wrap(e, "page %" PRIu64, id);
	}
	return 0;
}

static int judge_bucket(struct judging *j, const struct bolt_cursor *c, struct err *e)
{
	struct bolt_bucket bucket;

	if (!(c->flags & BOLT_ITEM_BUCKET))
		return err_set(e, ERR_FORMAT, "is an entry where only buckets can be");
	if (bolt_bucket_parse(&bucket, j->db, c->key, c->value, e))
		return e->code;
	j->bucket = c->key;
	return bucket.root ? judge_page(j, bucket.root, 0, e) : show_leaf(j, &bucket.page, 0, e);
}

static int judge(struct judging *j, struct err *e)
{
	const struct bolt_bucket root = bolt_bucket_root(j->db);
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	bool there;

	bolt_cursor_init(&c, j->db, &root);
	if (bolt_cursor_first(&there, &c, e))
		return e->code;
	while (there) {
		if (judge_bucket(j, &c, e))
			return err_wrap(e, "bucket '%.*s'", (int)(c.key.len < 64 ? c.key.len : 64),
				(const char *)c.key.p);
		if (bolt_cursor_next(&there, &c, e))
			return e->code;
	}
	return 0;
}

int bolt_scan_judge(const struct bolt_scan *scan, const struct bolt_db *db,
	const struct bolt_visitor *visitor, struct err *e)
{
	struct bolt_db watched = *db;
	struct judging j = { scan, &watched, visitor ? visitor : &nobody, { 0 } };
	struct bolt_tally tally;
	const size_t words = (size_t)(db->meta.pgid / 64 + 1);

	/* Nothing was noted, or for another page size. */
	if (scan->off || scan->page_size != db->meta.page_size ||
		scan->next < db->meta.pgid * db->meta.page_size)
		return bolt_check(&tally, db, visitor, e);
	watched.seen = calloc(words, sizeof *watched.seen);
	if (!watched.seen)
		out_of_memory(words * sizeof *watched.seen);
	fetch(scan, db);
	judge(&j, e);
	free(watched.seen);
	return e->code;
}
