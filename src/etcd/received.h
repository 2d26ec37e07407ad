/* etcd/received.h - a snapshot that was just written, accepted or refused
 *
 * One definition for all that takes snapshots in: the trailer must be there and right, and
 * every page and entry must be sound, whatever the trailer says, since a server saves what
 * its disk has made of the pages.  Pages were looked at while they streamed by, so little
 * is read again.
 *
 *   struct bolt_scan scan = etcd_received_scan(&entries);
 *   etcd_copy(&copied with .scan, fd, ...)
 *   etcd_received_check(&received, fd, &copied, ...)
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go, 3.6.12; the checks beyond it are ours.
 * Units:      bytes, revisions, entries.
 * Ownership:  the descriptor stays the caller's; `db` borrows it.
 * Errors:     ERR_MISMATCH for the trailer, ERR_FORMAT for what is no snapshot or damaged.
 */
#pragma once

#include "bolt/db.h"
#include "etcd/copy.h"

struct etcd_received {
	struct bolt_db db;
	bool verified;    /* by the trailer */
	uint64_t entries; /* of bucket key, if counted: one for each revision of a key */
	int64_t revision; /* of the last of them */
};

/* CLEAN_SCAN is the caller's.  `entries`: where to count them while they stream by, for
 * received->entries; NULL: nobody asks. */
struct bolt_scan etcd_received_scan(uint64_t *entries);

/* `skip_hash`: a copied member/snap/db has no trailer; a trailer there is not looked at. */
int etcd_received_check(struct etcd_received *received, int fd, const struct etcd_copied *copied,
	bool skip_hash, const struct listener *listener, const char *step, struct err *e);

/* Every page and entry of a database that nobody has looked at. */
int etcd_received_look(struct etcd_received *received, const struct bolt_db *db, struct err *e);
