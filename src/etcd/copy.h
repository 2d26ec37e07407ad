/* etcd/copy.h - the one pass over a snapshot: read, hash, write
 *
 * The source is whatever can hand out bytes, so that a download needs no copy of its own.
 * While one block is being hashed by a second thread, the next is read and written; pages
 * that are written go to the disk at once and leave the page cache, so that memory
 * stays small and the final fsync short.
 *
 * Units:      bytes.
 * Ownership:  descriptors and the source stay the caller's.
 * Errors:     those of the source; ERR_IO, ERR_SPACE.
 */
#pragma once

#include "base/err.h"
#include "base/event.h"
#include "codec/sha256.h"

/* `read` fills up to `room` bytes; `*got` is 0 only at the end. */
struct etcd_source {
	int (*read)(void *ctx, size_t *got, void *bytes, size_t room, struct err *e);
	void *ctx;
	uint64_t size; /* for progress; 0: not known */
};

/* A file as a source: read ahead, and not kept in the page cache. `*fd` is the context. */
struct etcd_source etcd_source_file(int *fd);

struct etcd_copied {
	uint64_t size;                     /* all bytes of the source */
	uint8_t last[CODEC_SHA256_SIZE];   /* its last 32 bytes, when it has as many */
	uint8_t digest[CODEC_SHA256_SIZE]; /* SHA-256 of all before these */
};

/* `to` -1: only hash. */
int etcd_copy(struct etcd_copied *copied, int to, const struct etcd_source *from,
	const struct listener *listener, const char *step, struct err *e);
