/* etcd/copy.h - the one pass over a snapshot: read, hash, write, look at the pages
 *
 * The source is a stream (base/stream.h), so that a download needs no copy of its own.
 * Blocks go round a ring: this thread fills them, a second one hashes, a third one writes, a
 * fourth one sums each block, so that processor, input and output are busy at the same time. Output
 * goes past the page cache or leaves it soon, so that memory stays small and the final fsync short.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (copyAndVerifyDB), 3.5.16: what is hashed.
 * Units:      bytes.
 * Ownership:  descriptors, source and scan stay the caller's.
 * Errors:     those of the source; ERR_IO, ERR_SPACE.
 */
#pragma once

#include "base/err.h"
#include "base/event.h"
#include "base/stream.h"
#include "bolt/scan.h"
#include "codec/block_sums.h"

/* A file as a source, from its current place; `*fd` is the context.  The page cache keeps
 * the file when it had it before, or when the second one is used. */
struct stream etcd_source_file(int *fd);
struct stream etcd_source_keep(int *fd);

struct etcd_copied {
	uint64_t size;                     /* all bytes of the source */
	uint8_t last[CODEC_SHA256_SIZE];   /* its last 32 bytes, when it has as many */
	uint8_t digest[CODEC_SHA256_SIZE]; /* SHA-256 of all before these */
	uint8_t whole[CODEC_SHA256_SIZE];  /* SHA-256 of all, as sha256sum says it */
	struct bolt_scan *scan;            /* set before: what pages look like; NULL: do not look */
	struct codec_block_sums *sums; /* set before, empty: of what is written; NULL: no sums */
};

/* The sums again, of a copy that was changed since and has `size` bytes now: of its first block,
 * where the meta pages are, and of all from byte `same` on. */
int etcd_copy_sum_again(
	struct codec_block_sums *sums, int fd, uint64_t same, uint64_t size, struct err *e);

/* `to` -1: only hash. */
int etcd_copy(struct etcd_copied *copied, int to, const struct stream *from,
	const struct listener *listener, const char *step, struct err *e);
