#include "bolt/scan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "bolt/cursor.h"
#include "codec/fnv.h"

static const struct bolt_visitor nobody = { 0 };

/* Notes take 6 bytes a page: 17 MiB for 11 GiB of the usual pages.  What lies behind, in
 * files larger than those etcd is meant for, is read again. */
enum { NOTES_MAX = 2816 * 1024 };

/* A note is the hash of the first key, never 0, and 8 bits: how many pages follow. */
enum { MORE_BITS = 8, MORE_MAX = (1 << MORE_BITS) - 1 };

/* A reach: 7 bits, the last key's first number less that of the first key, and 8 bits, its
 * second one; or, with ROUGH, 15 bits of the former alone. */
enum { ROUGH = 0x8000, FAR = 0xffff, NUMBERS = 8 + 1 + 8 };

void bolt_scan_free(struct bolt_scan *scan)
{
	free(scan->note);
	free(scan->reach);
	free(scan->again);
	free(scan->counts);
	scan->counts = NULL;
	scan->note = NULL;
	scan->reach = NULL;
	scan->again = NULL;
	scan->room = scan->bits = 0;
}

static bool get(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void set(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static void *grow(void *p, uint64_t size)
{
	void *more = realloc(p, (size_t)size);

	if (!more)
		out_of_memory((size_t)size);
	return more;
}

static uint64_t enough(uint64_t room, uint64_t pages)
{
	if (!room)
		room = 64 * 1024;
	while (room < pages)
		room *= 2;
	return room;
}

/* Room that is not used yet is not touched either, so that it takes no memory. */
static void make_room(struct bolt_scan *s, uint64_t from, uint64_t to)
{
	const uint64_t bits = enough(s->bits, to);
	const uint64_t last = to < NOTES_MAX ? to : NOTES_MAX;

	if (bits > s->bits) {
		s->again = grow(s->again, bits / 8);
		memset(s->again + s->bits / 64, 0, (size_t)(bits - s->bits) / 8);
		s->bits = bits;
	}
	if (last > s->room) {
		s->room = enough(s->room, last);
		s->note = grow(s->note, s->room * sizeof *s->note);
		s->reach = grow(s->reach, s->room * sizeof *s->reach);
		if (s->count)
			s->counts = grow(s->counts, s->room * sizeof *s->counts);
	}
	for (uint64_t id = from; id < last; id++)
		s->note[id] = 0;
}

static uint32_t hash_of(struct span key)
{
	const uint64_t hash = codec_fnv1a64(key);
	const uint32_t folded = (uint32_t)(hash >> 40 ^ hash >> 16) & 0xffffff;

	return folded ? folded : 1;
}

/* Keys of etcd's revisions are two numbers, eight bytes each, with '_' between. */
static bool is_numbers(struct span key)
{
	return key.len >= NUMBERS && key.p[8] == '_';
}

static uint16_t reach_of(struct span first, struct span last)
{
	if (!is_numbers(first) || !is_numbers(last))
		return FAR;
	const uint64_t far = be64(last.p) - be64(first.p), second = be64(last.p + 9);
	if (far < 0x80 && second <= 0xff)
		return (uint16_t)(far << 8 | second);
	return far < FAR - ROUGH ? (uint16_t)(ROUGH | far) : FAR;
}

/* Is a key so far behind `low` surely less than `high`?  `low` itself is. */
static bool ends_before(struct span low, uint16_t reach, struct span high)
{
	if (reach == FAR || !is_numbers(low) || !is_numbers(high))
		return false;
	const uint64_t gap = be64(high.p) - be64(low.p);
	if (reach & ROUGH)
		return (uint64_t)(reach & ~ROUGH) < gap;
	return reach >> 8 < gap || (reach >> 8 == gap && (reach & 0xff) < be64(high.p + 9));
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
	/* A count that does not fit is as rare as values of a MiB, an empty leaf rarer. */
	if (!good || h.overflow > MORE_MAX || !page.count || id >= NOTES_MAX) {
		if (id < NOTES_MAX)
			set(s->again, id);
		return;
	}
	const struct span key = bolt_page_item(&page, 0).key;
	s->note[id] = hash_of(key) << MORE_BITS | h.overflow;
	s->reach[id] = reach_of(key, bolt_page_item(&page, page.count - 1u).key);
	if (s->counts)
		s->counts[id] = page.count;
	if (s->reach[id] == FAR)
		set(s->again, id);
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
	make_room(s, first, first + n);
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

	for (uint64_t id = 2; id < s->bits && id < db->meta.pgid; id++) {
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

/* What the parent says of a page's keys; none of a root's. */
struct bounds {
	struct span low, high;
};

static int judge_page(
	struct judging *j, uint64_t id, struct bounds bounds, unsigned depth, struct err *e);

static int show_leaf(struct judging *j, const struct bolt_page *page, unsigned depth, struct err *e)
{
	struct bolt_bucket inner;

	for (unsigned i = 0; i < page->count; i++) {
		const struct bolt_item item = bolt_page_item(page, i);
		if (item.flags & BOLT_ITEM_BUCKET) {
			if (depth > BOLT_DEPTH_MAX)
				return err_set(e, ERR_FORMAT, "buckets are nested too deep");
			if (bolt_bucket_parse(&inner, j->db, item.key, item.value, e) ||
				(inner.root ? judge_page(j, inner.root, (struct bounds){ 0 },
						      depth + 1, e)
					    : show_leaf(j, &inner.page, depth + 1, e)))
				return err_wrap(e, "page %" PRIu64, page->id);
		} else if (j->visitor->entry &&
			   j->visitor->entry(j->visitor->ctx, j->bucket, item.key, item.value, e)) {
			return err_wrap(e, "page %" PRIu64, page->id);
		}
	}
	return 0;
}

static bool is_noted(const struct bolt_scan *s, const struct bolt_db *db, uint64_t id)
{
	return id >= 2 && id < db->meta.pgid && id < NOTES_MAX && id < s->room && s->note[id];
}

static bool is_within(const struct bolt_scan *s, uint64_t id, struct bounds b)
{
	if (b.low.len && s->note[id] >> MORE_BITS != hash_of(b.low))
		return false;
	return !b.high.len || ends_before(b.low, s->reach[id], b.high);
}

static int judge_children(struct judging *j, const struct bolt_page *branch, struct bounds bounds,
	unsigned depth, struct err *e)
{
	if (!branch->count)
		return err_set(
			e, ERR_FORMAT, "page %" PRIu64 ": a branch without children", branch->id);
	if (bolt_page_item(branch, 0).child >= NOTES_MAX)
		bolt_db_ahead(j->db, branch);
	for (unsigned i = 0; i < branch->count; i++) {
		const struct bolt_item item = bolt_page_item(branch, i);
		const struct bounds inner = { item.key,
			i + 1u < branch->count ? bolt_page_item(branch, i + 1).key : bounds.high };
		if (judge_page(j, item.child, inner, depth + 1, e))
			return depth ? e->code : err_wrap(e, "page %" PRIu64, branch->id);
	}
	return 0;
}

static int judge_page(
	struct judging *j, uint64_t id, struct bounds bounds, unsigned depth, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };

	if (depth > BOLT_DEPTH_MAX)
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": the tree is deeper than %d pages",
			id, BOLT_DEPTH_MAX);
	if (is_noted(j->scan, j->db, id) && is_within(j->scan, id, bounds)) {
		if (j->scan->counts)
			j->scan->count(j->scan->ctx, j->bucket, j->scan->counts[id]);
		return bolt_db_mark(j->db, id, j->scan->note[id] & MORE_MAX, e);
	}
	if (bolt_db_load(&slot, j->db, id, e))
		return e->code;
	if (slot.page.flags != BOLT_LEAF && slot.page.flags != BOLT_BRANCH)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": is a %s page, where a branch or leaf should be", id,
			bolt_kind(slot.page.flags));
	if (bolt_page_check_bounds(&slot.page, bounds.low, bounds.high, e))
		return e->code;
	return slot.page.flags == BOLT_LEAF ? show_leaf(j, &slot.page, depth, e)
					    : judge_children(j, &slot.page, bounds, depth, e);
}

static int judge_bucket(struct judging *j, const struct bolt_cursor *c, struct err *e)
{
	struct bolt_bucket bucket;

	if (!(c->flags & BOLT_ITEM_BUCKET))
		return err_set(e, ERR_FORMAT, "is an entry where only buckets can be");
	if (bolt_bucket_parse(&bucket, j->db, c->key, c->value, e))
		return e->code;
	j->bucket = c->key;
	return bucket.root ? judge_page(j, bucket.root, (struct bounds){ 0 }, 0, e)
			   : show_leaf(j, &bucket.page, 0, e);
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
