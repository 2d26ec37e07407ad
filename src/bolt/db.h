/* bolt/db.h - a bbolt file, read page by page
 *
 * Pages are read with pread into a slot, never mapped: the file may be larger than the
 * memory, may be cut short by someone else meanwhile, and a damaged page must become a
 * message, not a signal.
 *
 * Source:     bbolt 1.3.11, db.go.
 * Units:      bytes; page ids count pages.
 * Ownership:  the db borrows the descriptor.  A slot owns the bytes of the page it holds;
 *             CLEAN_SLOT gives them back at the end of its scope.
 * Errors:     ERR_FORMAT naming the page, ERR_UNSUPPORTED for a page larger than
 *             BOLT_PAGE_LIMIT, ERR_IO.
 */
#pragma once

#include "bolt/meta.h"
#include "bolt/page.h"

/* A single page with its overflow.  etcd takes values of 1.5 MiB by default; nobody is
 * known to store values near this. */
enum { BOLT_PAGE_LIMIT = 512 * 1024 * 1024 };

struct bolt_db {
	int fd;
	uint64_t size; /* of the file */
	struct bolt_meta meta;
	unsigned meta_page;    /* where `meta` came from, 0 or 1 */
	struct err other_meta; /* what is wrong with one of the two; code 0: nothing */
	bool ahead;            /* tell the kernel which pages a walk will want, */
	bool behind;           /* and which it has done with, where nobody reads them again */
	uint64_t *seen;        /* one bit a page, set when it is read; NULL: do not watch */
};

struct bolt_slot {
	uint8_t *p;
	size_t room;
	size_t last; /* size of the page before: a guess for the next */
	struct bolt_page page;
};

#define CLEAN_SLOT __attribute__((cleanup(bolt_slot_free)))

/* `size` bytes of `fd` are the database; a trailer behind it is not part of it. */
int bolt_db_open(struct bolt_db *db, int fd, uint64_t size, struct err *e);

/* Read and parse a page.  While db->seen is set, a page that was read before is refused. */
int bolt_db_load(struct bolt_slot *slot, const struct bolt_db *db, uint64_t id, struct err *e);

/* The same for a page that need not be read again, and for the pages that belong to it. */
int bolt_db_mark(const struct bolt_db *db, uint64_t first, uint32_t overflow, struct err *e);

void bolt_slot_free(struct bolt_slot *slot);

/* Ask for the children of a branch page, in file order. */
void bolt_db_ahead(const struct bolt_db *db, const struct bolt_page *branch);

/* They have been read: their memory serves for what is read next.  A walk through gigabytes else
 * takes fresh memory for each page, which a virtual machine's host may have to find first. */
void bolt_db_behind(const struct bolt_db *db, const struct bolt_page *branch);
