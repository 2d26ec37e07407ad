#include "bolt/build.h"

#include <stdlib.h>

#include "base/arena.h"
#include "os/file.h"

enum { PENDING = 256 * 1024, BRANCH_KEEP = 4 };

struct bolt_out bolt_out_at(int fd, uint32_t page_size, uint64_t next)
{
	return (struct bolt_out){ fd, page_size, next, BUF(PENDING + (size_t)BOLT_PAGE_LIMIT) };
}

int bolt_out_flush(struct bolt_out *out, struct err *e)
{
	const uint64_t end = out->next * out->page_size;

	if (out->pending.len &&
		file_write_at(out->fd, out->pending.p, out->pending.len, end - out->pending.len, e))
		return e->code;
	buf_clear(&out->pending);
	return 0;
}

void bolt_out_free(struct bolt_out *out)
{
	buf_free(&out->pending);
}

struct bolt_build bolt_build_begin(struct bolt_out *out)
{
	struct bolt_build b = { .out = out };

	for (unsigned i = 0; i <= BOLT_DEPTH_MAX; i++)
		b.level[i].data = BUF(BOLT_PAGE_LIMIT);
	return b;
}

void bolt_build_free(struct bolt_build *b)
{
	for (unsigned i = 0; i <= BOLT_DEPTH_MAX; i++) {
		free(b->level[i].items);
		b->level[i].items = NULL;
		buf_free(&b->level[i].data);
	}
}

static size_t level_size(const struct bolt_level *l)
{
	return BOLT_HEADER + l->n * BOLT_ELEMENT + l->data.len;
}

static int level_add(struct bolt_level *l, struct bolt_level_item item, struct span key,
	struct span value, struct err *e)
{
	if (l->n == l->room) {
		const size_t room = l->room ? 2 * l->room : 64;
		void *items = realloc(l->items, room * sizeof *l->items);
		if (!items)
			out_of_memory(room * sizeof *l->items);
		l->items = items;
		l->room = room;
	}
	if (buf_add(&l->data, key.p, key.len, e) || buf_add(&l->data, value.p, value.len, e))
		return e->code;
	l->items[l->n++] = item;
	return 0;
}

/* The first `n` items of a level as a page. */
static void write_items(uint8_t *page, const struct bolt_level *l, size_t n, bool leaf, uint64_t id,
	uint32_t overflow)
{
	const struct bolt_header h = { id, leaf ? BOLT_LEAF : BOLT_BRANCH, (uint16_t)n, overflow };
	size_t data = 0, at = BOLT_HEADER;

	bolt_header_write(page, &h);
	for (size_t i = 0; i < n; i++, at += BOLT_ELEMENT) {
		const struct bolt_level_item *item = &l->items[i];
		const uint32_t pos = (uint32_t)(BOLT_HEADER + n * BOLT_ELEMENT + data - at);
		if (leaf) {
			put_le32(page + at, item->flags);
			put_le32(page + at + 4, pos);
			put_le32(page + at + 8, item->key_len);
			put_le32(page + at + 12, item->value_len);
		} else {
			put_le32(page + at, pos);
			put_le32(page + at + 4, item->key_len);
			put_le64(page + at + 8, item->child);
		}
		data += (size_t)item->key_len + item->value_len;
	}
	if (data)
		memcpy(page + at, l->data.p, data);
}

static int add_at(struct bolt_build *b, unsigned level, struct bolt_level_item item,
	struct span key, struct span value, struct err *e);

/* Write the first `n` items of a level; the others stay. */
static int flush(struct bolt_build *b, unsigned level, size_t n, struct err *e)
{
	struct bolt_level *l = &b->level[level];
	struct bolt_out *out = b->out;
	size_t data = 0;

	for (size_t i = 0; i < n; i++)
		data += (size_t)l->items[i].key_len + l->items[i].value_len;
	const size_t size = BOLT_HEADER + n * BOLT_ELEMENT + data;
	const size_t pages = (size + out->page_size - 1) / out->page_size;
	const uint64_t id = out->next;
	uint8_t *page;

	if (size > BOLT_PAGE_LIMIT)
		return err_set(e, ERR_SPACE, "a page of %zu bytes is above the limit of %u", size,
			BOLT_PAGE_LIMIT);
	if (buf_extend(&page, &out->pending, pages * out->page_size, e))
		return e->code;
	memset(page, 0, pages * out->page_size);
	write_items(page, l, n, !level, id, (uint32_t)(pages - 1));
	out->next += pages;
	b->wrote = true;
	if (out->pending.len >= PENDING && bolt_out_flush(out, e))
		return e->code;

	/* The item above is taken before the first key goes. */
	const struct bolt_level_item item = { .child = id, .key_len = l->items[0].key_len };
	if (add_at(b, level + 1, item, (struct span){ l->data.p, item.key_len }, (struct span){ 0 },
		    e))
		return e->code;
	memmove(l->items, l->items + n, (l->n - n) * sizeof *l->items);
	memmove(l->data.p, l->data.p + data, l->data.len - data);
	l->n -= n;
	l->data.len -= data;
	return 0;
}

static int add_at(struct bolt_build *b, unsigned level, struct bolt_level_item item,
	struct span key, struct span value, struct err *e)
{
	if (level > BOLT_DEPTH_MAX)
		return err_set(
			e, ERR_SPACE, "the tree would be deeper than %d pages", BOLT_DEPTH_MAX);
	struct bolt_level *l = &b->level[level];
	const bool full = level_size(l) + BOLT_ELEMENT + key.len + value.len > b->out->page_size ||
			  l->n >= 0xFFFE;

	/* The last child of a full branch moves to the next, which so gets two. */
	if (full && !level && l->n && flush(b, level, l->n, e))
		return e->code;
	if (full && level && l->n >= BRANCH_KEEP && flush(b, level, l->n - 1, e))
		return e->code;
	return level_add(l, item, key, value, e);
}

int bolt_build_preload(struct bolt_build *b, unsigned level, const struct bolt_page *page,
	unsigned count, struct err *e)
{
	for (unsigned i = 0; i < count; i++) {
		const struct bolt_item from = bolt_page_item(page, i);
		const struct bolt_level_item item = { from.child, from.flags,
			(uint32_t)from.key.len, (uint32_t)from.value.len };
		if (level_add(&b->level[level], item, from.key, from.value, e))
			return e->code;
		b->nested |= from.flags & BOLT_ITEM_BUCKET;
	}
	return 0;
}

int bolt_build_add(
	struct bolt_build *b, uint32_t flags, struct span key, struct span value, struct err *e)
{
	if (!key.len || key.len > BOLT_PAGE_LIMIT / 2 || value.len > BOLT_PAGE_LIMIT / 2)
		return err_set(e, ERR_SPACE, "an entry of %zu and %zu bytes cannot be stored",
			key.len, value.len);
	const struct bolt_level_item item = { 0, flags, (uint32_t)key.len, (uint32_t)value.len };
	b->nested |= flags & BOLT_ITEM_BUCKET;
	return add_at(b, 0, item, key, value, e);
}

static bool above_is_empty(const struct bolt_build *b, unsigned level)
{
	for (unsigned i = level + 1; i <= BOLT_DEPTH_MAX; i++) {
		if (b->level[i].n)
			return false;
	}
	return true;
}

int bolt_build_inline(bool *small, struct buf *value, struct bolt_build *b, struct err *e)
{
	const struct bolt_level *l = &b->level[0];
	const size_t size = level_size(l);
	uint8_t *page;

	*small = !b->wrote && !b->nested && above_is_empty(b, 0) && size <= b->out->page_size / 4;
	if (!*small)
		return 0;
	if (buf_extend(&page, value, size, e))
		return e->code;
	write_items(page, l, l->n, true, 0, 0);
	return 0;
}

int bolt_build_end(uint64_t *root, struct bolt_build *b, struct err *e)
{
	for (unsigned level = 0; level <= BOLT_DEPTH_MAX; level++) {
		struct bolt_level *l = &b->level[level];
		const bool top = above_is_empty(b, level);

		/* A branch with a single child and nothing above: the child is the root. */
		if (top && level && l->n == 1) {
			*root = l->items[0].child;
			return 0;
		}
		if (!l->n && !top)
			continue;
		if (!l->n)
			return err_set(e, ERR_BUG, "an empty tree cannot be written as pages");
		if (flush(b, level, l->n, e))
			return e->code;
	}
	return err_set(e, ERR_SPACE, "the tree is deeper than %d pages", BOLT_DEPTH_MAX);
}
