/* etcd/examine.h - a snapshot's trailer and its pages, checked in one go
 *
 * Hashing needs the file in order, the check needs the pages in key order.  What the
 * page cache holds is looked at by both at once; a cold file is hashed first, which brings it
 * into the cache in the order disks like.  A file that does not fit there is walked with
 * read-ahead for a branch's pages at a time.
 *
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
