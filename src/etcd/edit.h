/* etcd/edit.h - what a restore changes in the database, as one declared list
 *
 * All edits are applied in one transaction.  Masters that apply the same list to the same
 * snapshot get the same bytes; the digest of the list is what they compare.
 *
 * In this order, whatever the order of the flags:
 *
 *	drop    tombstones for the named keys and prefixes, as etcd writes one transaction
 *	        of deletes: main revision current + 1, sub 0, 1, .. in byte order of the keys
 *	bump    an entry without key at revision latest + N, which raises the revision
 *	mark    the compaction mark at that revision
 *	leases  bucket lease emptied; keys keep their lease id, which then means nothing
 *	alarms  bucket alarm emptied
 *	markers storageVersion, clusterVersion and downgrade removed: any version may start
 *	members new members, members_removed emptied, consistent_index, term, confState
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (modifyLatestRevision, updateCIndex),
 *             server/storage/schema/membership.go, 3.5.16 and 3.6.12.
 * Units:      revisions.
 * Ownership:  borrows all texts.
 * Errors:     ERR_USAGE for numbers that do not fit, else those of bolt/tx.h.
 */
#pragma once

#include "base/event.h"
#include "bolt/db.h"
#include "etcd/ident.h"

struct etcd_edits {
	const struct etcd_cluster *cluster; /* NULL: membership stays */
	uint64_t bump;                      /* 0: none */
	bool mark_compacted;
	bool fix_markers, clear_alarms, drop_leases;
	const char *const *drop_keys;
	size_t n_drop_keys;
	const char *const *drop_prefixes;
	size_t n_drop_prefixes;
};

struct etcd_edited {
	uint64_t dropped_keys, dropped_leases, dropped_alarms;
	int64_t revision; /* the greatest afterwards */
};

/* Numbers and combinations, before anything is written. */
int etcd_edits_check(const struct etcd_edits *edits, struct err *e);

/* One line an edit, in the order above; this text is what the digest is over. */
int etcd_edits_print(struct buf *out, const struct etcd_edits *edits, struct err *e);
int etcd_edits_digest(char hex[65], const struct etcd_edits *edits, struct err *e);

/* db->fd is open for writing. */
int etcd_edits_apply(struct etcd_edited *edited, struct bolt_db *db, const struct etcd_edits *edits,
	const struct listener *listener, struct err *e);
