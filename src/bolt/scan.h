/* bolt/scan.h - pages judged while the file streams by, so that they need not be read again
 *
 * A stream shows pages in the order of the file, where free pages with old content look
 * like any other.  So the scan only notes which places hold a leaf that parses, and how
 * many pages go with it; afterwards the judge walks the branches, which are few, down to
 * these leaves, and reads again only what was not noted.  A page that belongs to two is
 * found here as well: a server would free it once and use it twice.
 *
 * Of a noted leaf a hash of its first key is kept, and how far the last one is from it, so
 * that it can be held against the bounds its parent gives: the first key is nearly always
 * the parent's own.  Whatever does not fit so is read again.  24 bits of hash let one in 16
 * million leaves pass that begin elsewhere, though they parse and carry the right number.
 *
 * Source:     bbolt 1.3.11, node.go: spill gives the parent the first key of each page.
 * Units:      bytes; page ids count pages.
 * Ownership:  the scan owns its bits: CLEAN_SCAN.
 * Errors:     ERR_FORMAT naming the page.
 */
#pragma once

#include "bolt/check.h"

struct bolt_scan {
	uint32_t page_size; /* 0 until the first meta page was seen */
	uint64_t next;      /* bytes seen */
	uint32_t *note;     /* a leaf that parses, all of it seen: hash and further pages; or 0 */
	uint16_t *reach;    /* of a noted leaf: from the first key to the last */
	uint64_t *again;    /* bits: will be wanted by the judge */
	uint16_t *counts;   /* with `count`: entries of a noted leaf; two bytes a page more */
	uint64_t room;      /* pages that note and reach are for */
	uint64_t bits;      /* pages that again is for */
	bool off;           /* no use: the first meta page is not readable */
	/* NULL, or more to ask of a leaf that parses. */
	bool (*approve)(void *ctx, const struct bolt_page *page);
	/* NULL, or told by the judge how many entries it need not read again. */
	void (*count)(void *ctx, struct span bucket, unsigned n);
	void *ctx;
};

#define CLEAN_SCAN __attribute__((cleanup(bolt_scan_free)))

void bolt_scan_free(struct bolt_scan *scan);

/* The next piece of the file; pieces are whole pages but for the last. */
void bolt_scan_feed(struct bolt_scan *scan, struct span piece);

/* The verdict on the finished file.  `visitor` is shown the entries of the leaves that had
 * to be read. */
int bolt_scan_judge(const struct bolt_scan *scan, const struct bolt_db *db,
	const struct bolt_visitor *visitor, struct err *e);
