/* bolt/scan.h - pages judged while the file streams by, so that they need not be read again
 *
 * A stream shows pages in the order of the file, where free pages with old content look
 * like any other.  So the scan only notes which places hold a leaf that parses, and how
 * many pages go with it; afterwards the judge walks the branches, which are few, down to
 * these leaves, and reads again only what was not noted.  A page that belongs to two is
 * found here as well: a server would free it once and use it twice.  A leaf that was noted
 * is not held against its parent's bounds; bolt/check.h does that too, and reads everything.
 *
 * Units:      bytes; page ids count pages.
 * Ownership:  the scan owns its bits: CLEAN_SCAN.
 * Errors:     ERR_FORMAT naming the page.
 */
#pragma once

#include "bolt/check.h"

struct bolt_scan {
	uint32_t page_size; /* 0 until the first meta page was seen */
	uint64_t next;      /* bytes seen */
	uint64_t *leaf;     /* a leaf that parses, all of it seen */
	uint64_t *again;    /* will be wanted by the judge */
	uint8_t *more;      /* of a noted leaf: how many pages follow that belong to it */
	uint64_t room;      /* pages the bits are for */
	bool off;           /* no use: the first meta page is not readable */
	/* NULL, or more to ask of a leaf that parses. */
	bool (*approve)(void *ctx, const struct bolt_page *page);
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
