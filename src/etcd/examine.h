/* etcd/examine.h - a snapshot's trailer and its pages, checked in one go
 *
 * Hashing needs the file in order, the check needs the pages in key order; both go on at
 * once.  Where the file is not in the page cache, the walk asks for the pages below a
 * branch together, so that the disk can sort them.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (Status), 3.6.12, which walks only.
 * Units:      bytes.
 * Ownership:  lists and texts of the status live in the arena.
 * Errors:     as of etcd/snapshot.h and etcd/status.h; a wrong trailer is told before
 *             damage in the pages, which mostly follows from it.
 */
#pragma once

#include "etcd/snapshot.h"
#include "etcd/status.h"

int etcd_examine(struct etcd_status *status, struct etcd_snapshot_file *s, struct arena *a,
	const struct listener *listener, struct err *e);
