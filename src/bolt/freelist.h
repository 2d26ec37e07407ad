/* bolt/freelist.h - the stored list of free pages, in both encodings
 *
 *	header   page header with the freelist flag
 *	count    from the header; 0xFFFF: the first number is the count
 *	ids      u64 each, ascending
 *
 * etcd on Linux stores none (the meta page says so) and finds free pages by a walk.  Files
 * of other systems have one.  We read it to check it, and never write one: a reader that
 * wants it makes it anew.
 *
 * Source:     bbolt 1.3.11, freelist.go (read), 1.4.3, internal/freelist/shared.go.
 * Units:      page ids.
 * Ownership:  the list borrows the slot's bytes.
 * Errors:     ERR_FORMAT naming the page.
 */
#pragma once

#include "bolt/db.h"

struct bolt_freelist {
	struct span ids; /* 8 bytes each */
	uint64_t count;
};

/* The list of a page that has been loaded. */
int bolt_freelist_parse(
	struct bolt_freelist *list, const struct bolt_page *page, uint64_t pgid, struct err *e);

/* Load and parse the one the meta page names; count 0 when it names none. */
int bolt_freelist_load(struct bolt_freelist *list, struct bolt_slot *slot, const struct bolt_db *db,
	struct err *e);

uint64_t bolt_freelist_id(const struct bolt_freelist *list, uint64_t index);
