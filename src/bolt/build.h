/* bolt/build.h - a tree written bottom-up, page by page, behind the pages in use
 *
 * Entries come in key order.  Each level holds the page that is being filled; a full page
 * is written and becomes an item of the level above.  A builder that begins with the
 * pages of a tree's right edge appends to that tree and leaves all other pages alone.
 *
 * A branch never ends with a single child: bbolt asserts two when it merges pages.
 *
 * Source:     bbolt 1.3.11, node.go (write, spill), bucket.go (inlineable).
 * Units:      bytes; page ids count pages.
 * Ownership:  the builder owns the pages it fills (CLEAN_BUILD); items are copied.
 * Errors:     ERR_SPACE for a page above BOLT_PAGE_LIMIT, ERR_IO.
 */
#pragma once

#include "base/buf.h"
#include "bolt/cursor.h"

/* Where new pages go: appended at page `next`, in pieces. */
struct bolt_out {
	int fd;
	uint32_t page_size;
	uint64_t next;      /* id of the next page */
	struct buf pending; /* whole pages that end at `next` */
};

struct bolt_level_item {
	uint64_t child;
	uint32_t flags, key_len, value_len;
};

struct bolt_level {
	struct bolt_level_item *items;
	size_t n, room;
	struct buf data; /* keys and values, in order */
};

struct bolt_build {
	struct bolt_out *out;
	struct bolt_level level[BOLT_DEPTH_MAX + 1];
	bool wrote, nested; /* a page is out; an item is a bucket */
};

#define CLEAN_BUILD __attribute__((cleanup(bolt_build_free)))
#define CLEAN_OUT   __attribute__((cleanup(bolt_out_free)))

struct bolt_out bolt_out_at(int fd, uint32_t page_size, uint64_t next);
int bolt_out_flush(struct bolt_out *out, struct err *e);
void bolt_out_free(struct bolt_out *out);

struct bolt_build bolt_build_begin(struct bolt_out *out);

/* Begin with the first `count` items of a page, as if they had been added at `level`. */
int bolt_build_preload(struct bolt_build *b, unsigned level, const struct bolt_page *page,
	unsigned count, struct err *e);

int bolt_build_add(
	struct bolt_build *b, uint32_t flags, struct span key, struct span value, struct err *e);

/* Append the bucket's page to `value` when it is small enough to live there. */
int bolt_build_inline(bool *small, struct buf *value, struct bolt_build *b, struct err *e);

/* Write what is left; `*root` is the page of the whole tree. */
int bolt_build_end(uint64_t *root, struct bolt_build *b, struct err *e);
void bolt_build_free(struct bolt_build *b);
