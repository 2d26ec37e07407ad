/* bolt/page.h - one page of a bbolt file: a header, elements, and the bytes they point to
 *
 *	 0  id        u64   equals the offset in the file / page size; 0 inside a bucket value
 *	 8  flags     u16   exactly one of branch, leaf, meta, freelist
 *	10  count     u16   elements
 *	12  overflow  u32   further pages that belong to this one, without headers of their own
 *
 *	branch element   pos u32, key size u32, child page u64
 *	leaf element     flags u32 (1: the value is a bucket), pos u32, key size u32, value size u32
 *
 * `pos` counts from the start of its own element; the value stands right behind the key.
 * All numbers are little endian.  A page is checked as a whole when it is parsed, so
 * that taking an item out of it cannot fail.
 *
 * Source:     bbolt 1.3.11 and 1.4.3, internal/common/page.go.
 * Units:      bytes; page ids count pages.
 * Ownership:  a page and its items borrow the bytes they were parsed from.
 * Errors:     ERR_FORMAT, naming the page and the element.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

enum {
	BOLT_HEADER = 16,
	BOLT_ELEMENT = 16,

	BOLT_BRANCH = 0x01,
	BOLT_LEAF = 0x02,
	BOLT_META = 0x04,
	BOLT_FREELIST = 0x10,

	BOLT_ITEM_BUCKET = 0x01, /* flag of a leaf element: its value is a bucket */
};

struct bolt_page {
	struct span bytes; /* header, elements, data; all overflow pages */
	uint64_t id;
	uint16_t flags, count;
	uint32_t overflow;
};

struct bolt_item {
	struct span key, value; /* value: leaf only */
	uint64_t child;         /* branch only */
	uint32_t flags;         /* leaf only */
};

struct bolt_header {
	uint64_t id;
	uint16_t flags, count;
	uint32_t overflow;
};

/* `p` holds BOLT_HEADER bytes. */
struct bolt_header bolt_header_read(const uint8_t *p);
void bolt_header_write(uint8_t *p, const struct bolt_header *h);

/* Refuses a page that says it is another one, is of none or of two kinds, or has an
 * element that leaves the page, an empty key, or keys out of order. */
int bolt_page_parse(struct bolt_page *page, struct span bytes, uint64_t id, struct err *e);

/* The page inside the value of a small bucket; `name` is for the message. */
int bolt_page_parse_inline(
	struct bolt_page *page, struct span bytes, struct span name, struct err *e);

/* Item `index` < page->count of a parsed branch or leaf page. */
struct bolt_item bolt_page_item(const struct bolt_page *page, unsigned index);

/* Refuses a page with keys outside the bounds its parent gives: from `low` on, and below
 * `high` unless that is empty. */
int bolt_page_check_bounds(
	const struct bolt_page *page, struct span low, struct span high, struct err *e);

/* The first item whose key is not less than `key`; page->count when there is none. */
unsigned bolt_page_find(const struct bolt_page *page, struct span key);

const char *bolt_kind(uint16_t flags);
