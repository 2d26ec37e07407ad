/* etcd/wal.h - the write-ahead log: segments of framed, checksummed records
 *
 *   <sequence %016x>-<first index %016x>.wal
 *
 *   frame   u64 length: low 56 bits the record's bytes, top byte 0x80 | padding (0..7)
 *           the record, then zero bytes up to a multiple of eight
 *   record  protobuf: 1 type, 2 crc, 3 data
 *   crc     CRC-32C over the data of all records so far, chained through all segments;
 *           a segment begins with a record of type CRC that repeats the value reached
 *
 * A length of zero, or the end of the file, ends a segment.  What a power cut left half
 * written at the very end of the last segment is a torn tail: etcd drops it, and so do we,
 * saying so.  The same damage anywhere else is an error.
 *
 * Source:     server/storage/wal/{encoder,decoder,wal,util}.go, 3.5.16.
 * Units:      bytes; offsets count from the segment's start.
 * Ownership:  the reader owns its descriptors; a record's data is valid until the next
 *             call.  The directory stays the caller's.
 * Errors:     ERR_FORMAT and ERR_MISMATCH naming segment and byte; ERR_NOTFOUND when there
 *             is no segment at all.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "etcd/raftpb.h"

enum etcd_wal_type {
	ETCD_WAL_END = 0, /* no more records */
	ETCD_WAL_METADATA = 1,
	ETCD_WAL_ENTRY = 2,
	ETCD_WAL_STATE = 3,
	ETCD_WAL_CRC = 4,
	ETCD_WAL_SNAPSHOT = 5,
};

enum {
	ETCD_WAL_NAME = 16 + 1 + 16 + 4 + 1,
	ETCD_WAL_SEGMENT_SIZE = 64000000, /* wal.go: SegmentSizeBytes */
	ETCD_WAL_RECORD_MAX = 128 << 20,  /* a request above 1.5 MiB is refused by default */
	ETCD_WAL_SEGMENTS_MAX = 1 << 16,
};

struct etcd_wal_record {
	enum etcd_wal_type type;
	uint32_t crc;
	struct span data;
	const char *segment; /* its name */
	uint64_t at;         /* where the frame begins */
	uint64_t size;       /* of the frame, with length and padding */
};

struct etcd_wal_segment {
	uint64_t sequence, first_index;
	char name[256];
};

struct etcd_wal_reader {
	int dir; /* borrowed */
	const struct etcd_wal_segment *segments;
	size_t n_segments, current;
	int fd;
	uint64_t at, size; /* in the current segment */
	uint32_t crc;
	struct buf bytes;
	bool torn; /* the end was a torn tail, which begins at `at` of the last segment */
	char torn_why[160];
};

#define NO_WAL    ((struct etcd_wal_reader){ .fd = -1 })
#define CLEAN_WAL __attribute__((cleanup(etcd_wal_close)))

/* List the segments of `dir`; refuses a gap in their sequence. */
int etcd_wal_open(struct etcd_wal_reader *wal, int dir, struct arena *a, struct err *e);

/* Just the file `name` of `dir`, whatever it is called. */
int etcd_wal_open_file(
	struct etcd_wal_reader *wal, int dir, const char *name, struct arena *a, struct err *e);

int etcd_wal_next(struct etcd_wal_record *record, struct etcd_wal_reader *wal, struct err *e);
void etcd_wal_close(struct etcd_wal_reader *wal);

/* "entry", "state", ... */
const char *etcd_wal_type_word(enum etcd_wal_type type);

/* The used bytes of the first segment of a restored member, as etcdutl 3.5 writes them:
 * crc, metadata, snapshot 0, an entry for each member, state, snapshot N. */
int etcd_wal_encode(struct buf *out, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e);

/* The same as a new file in `dir`, 0600, preallocated to the segment size, synced. */
int etcd_wal_create(
	int dir, const struct etcd_cluster *cluster, const struct etcd_member *own, struct err *e);
