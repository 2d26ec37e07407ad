/* etcd/verify.h - a member directory read back: WAL, .snap and database against each other
 *
 *	WAL       every record of every segment, the checksum chain, entries without gaps
 *	.snap     the newest one that the WAL knows, its checksum
 *	together  snapshot index <= commit <= last entry; the database's consistent_index not
 *	          below the snapshot (a server looks for a .snap.db then, and dies) and not
 *	          above what the WAL has
 *	members   voters of the snapshot are the ones in bucket members, when that is filled
 *
 * Source:     server/etcdserver/bootstrap.go, server/storage/wal/wal.go (ReadAll), 3.5.16.
 * Units:      raft indexes and terms.
 * Ownership:  plain values.
 * Errors:     ERR_FORMAT and ERR_MISMATCH naming file, record and number.
 */
#pragma once

#include "base/event.h"
#include "etcd/status.h"

struct etcd_verified {
	uint64_t records, entries;
	uint64_t first_index, last_index; /* of the entries */
	uint64_t term, commit;
	uint64_t snap_index, snap_term;
	uint64_t node_id, cluster_id;
	bool has_snap, torn;
};

/* `wal_dir` NULL: below data_dir. `s` is the status of its database. */
int etcd_verify_member(struct etcd_verified *v, struct arena *a, const char *data_dir,
	const char *wal_dir, const struct etcd_status *s, const struct listener *listener,
	struct err *e);

/* Each entry of bucket `key`: revision and KeyValue agree. */
int etcd_verify_keys(const struct bolt_db *db, struct err *e);
