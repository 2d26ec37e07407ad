/* bolt/tx.h - one copy-on-write transaction on a bbolt file
 *
 * Changes are collected, then written at once: new pages behind the ones in use, a new
 * root, fdatasync, the new meta page in the place of the older state, fdatasync.  No page
 * that the current meta page reaches is touched, so a crash leaves the state before.
 *
 * A bucket that only grows at its end (etcd's revisions) gets a new right edge; any other
 * touched bucket is written anew as a whole, which for etcd's small buckets is a page.
 * Pages that fall out of use become free by being unreachable; no freelist is stored.
 * The same changes to the same file give the same bytes.
 *
 * Source:     bbolt 1.3.11, tx.go (Commit).
 * Units:      bytes.
 * Ownership:  the tx borrows db and arena, and the spans it is given until the commit.
 * Errors:     ERR_FORMAT for what is wrong in the file, ERR_SPACE, ERR_IO.
 */
#pragma once

#include "base/arena.h"
#include "bolt/db.h"

struct bolt_change;

struct bolt_tx {
	struct bolt_db *db; /* db->fd is open for writing */
	struct arena *arena;
	struct bolt_change *changes;
	size_t n, room;
};

struct bolt_tx bolt_tx_begin(struct bolt_db *db, struct arena *arena);

/* Make the bucket unless it is there. */
void bolt_tx_create(struct bolt_tx *tx, struct span bucket);

/* Drop all entries the file has in the bucket, before the puts; make it if missing. */
void bolt_tx_clear(struct bolt_tx *tx, struct span bucket);

/* Put makes the bucket; delete of what is not there does nothing. The last one wins. */
void bolt_tx_put(struct bolt_tx *tx, struct span bucket, struct span key, struct span value);
void bolt_tx_delete(struct bolt_tx *tx, struct span bucket, struct span key);

/* Writes the file and brings db->meta and db->size up to date.  Without changes nothing
 * is written. */
int bolt_tx_commit(struct bolt_tx *tx, struct err *e);
