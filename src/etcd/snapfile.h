/* etcd/snapfile.h - the .snap file: raft's own snapshot, 1 crc, 2 data
 *
 *   <term %016x>-<index %016x>.snap      data = raftpb Snapshot, crc = CRC-32C of data
 *
 * Not the snapshot of the database that is restored; that is etcd/snapshot.h.
 *
 * Source:     server/etcdserver/api/snap/snapshotter.go, 3.5.16.
 * Units:      bytes.
 * Ownership:  a parsed file borrows the bytes it was parsed from.
 * Errors:     ERR_FORMAT, ERR_MISMATCH for the checksum; the text names the file where
 *             the function knows it.
 */
#pragma once

#include "base/buf.h"
#include "etcd/raftpb.h"

enum { ETCD_SNAPFILE_NAME = 16 + 1 + 16 + 5 + 1, ETCD_SNAPFILE_MAX = 256 << 20 };

struct etcd_snapfile {
	uint32_t crc;
	struct etcd_snapshot snapshot;
};

int etcd_snapfile_parse(struct etcd_snapfile *file, struct span bytes, struct err *e);

/* Read and parse `name` in directory `dir`; the name has to agree with the content. */
int etcd_snapfile_read(
	struct etcd_snapfile *file, struct buf *bytes, int dir, const char *name, struct err *e);

/* False for any other name in the directory. */
bool etcd_snapfile_name(uint64_t *term, uint64_t *index, const char *name);

/* What a restore writes: term 1, index N, all members voters, the v2 store. */
int etcd_snapfile_encode(struct buf *out, const struct etcd_cluster *cluster, struct err *e);

/* The same as a new file in `dir`, 0600, synced. */
int etcd_snapfile_create(int dir, const struct etcd_cluster *cluster, struct err *e);
