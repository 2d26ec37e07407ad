/* etcd/hashkv.h - the hash `etcdctl endpoint hashkv` asks a member for, without a member
 *
 * CRC-32C over "key", then key and value of every revision up to the one asked for.  Of
 * revisions at or below the last compaction only those count that a compaction at the
 * revision asked for would leave, so that members agree whatever they have compacted so
 * far; a tombstone exactly at the last compaction never counts, as versions differ there.
 *
 * Source:     server/storage/mvcc/{hash,index,key_index}.go, 3.5.16 and 3.6.
 * Units:      revisions.
 * Ownership:  plain values.
 * Errors:     ERR_USAGE for a revision that was compacted or is not there yet.
 */
#pragma once

#include "bolt/db.h"

struct etcd_hashkv {
	uint32_t hash;
	int64_t revision;  /* hashed up to */
	int64_t compacted; /* -1: never */
};

/* `revision` 0: the latest. */
int etcd_hashkv_read(
	struct etcd_hashkv *hash, const struct bolt_db *db, int64_t revision, struct err *e);
