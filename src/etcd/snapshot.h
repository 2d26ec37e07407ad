/* etcd/snapshot.h - the snapshot file: a bbolt file, then 32 bytes of SHA-256 over it
 *
 * The trailer is there exactly when size % 512 == 32.  A copy of a member's database has
 * none, may be longer than its pages, and may be torn if the server was running.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (saveDB), 3.5.16; api/v3rpc/maintenance.go.
 * Units:      bytes.
 * Ownership:  the snapshot owns its descriptor: CLEAN_SNAPSHOT.  It is only ever read.
 * Errors:     ERR_FORMAT, ERR_MISMATCH when the trailer does not fit, ERR_NOTFOUND.
 */
#pragma once

#include "base/event.h"
#include "bolt/db.h"
#include "etcd/copy.h"

enum etcd_trailer {
	ETCD_TRAILER_NONE,      /* a bare database */
	ETCD_TRAILER_UNCHECKED, /* there is one */
	ETCD_TRAILER_GOOD,
};

struct etcd_snapshot_file {
	int fd;
	uint64_t size;    /* of the file */
	uint64_t db_size; /* without the trailer */
	enum etcd_trailer trailer;
	struct bolt_db db;
	bool member; /* the database of a member directory */
	bool busy;   /* a running etcd holds its lock */
};

#define NO_SNAPSHOT    ((struct etcd_snapshot_file){ .fd = -1 })
#define CLEAN_SNAPSHOT __attribute__((cleanup(etcd_snapshot_close)))

/* What is wrong with a database whose trailer is right, and what that means; returns the code. */
int etcd_snapshot_was_damaged(struct err *e);

/* The rule above, and in words what is wrong with a size no snapshot can have. */
bool etcd_snapshot_has_trailer(uint64_t size);
int etcd_snapshot_check_trailer(const struct etcd_copied *copied, struct err *e);
int etcd_snapshot_no_trailer(struct err *e, uint64_t size, struct span first);

/* A snapshot, a copy of a database, or a data directory, by its path from `dir`
 * (AT_FDCWD will do). */
int etcd_snapshot_open(struct etcd_snapshot_file *s, int dir, const char *path, struct err *e);
void etcd_snapshot_close(struct etcd_snapshot_file *s);

/* Read it all and compare the trailer; a file without one passes, unchecked. */
int etcd_snapshot_verify(
	struct etcd_snapshot_file *s, const struct listener *listener, struct err *e);
