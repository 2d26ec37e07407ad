#include "etcd/copy.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "os/file.h"

enum { BLOCK = 1024 * 1024, BLOCKS = 6, BEHIND = 16 * 1024 * 1024 };

/* Blocks go round: the reader fills and writes one, the hasher takes it. */
struct ring {
	uint8_t *block[BLOCKS];
	size_t len[BLOCKS];
	pthread_mutex_t lock;
	pthread_cond_t moved;
	unsigned n_filled, n_hashed; /* counted without end */
	bool ended;
	struct codec_sha256 sha;
	uint8_t held[CODEC_SHA256_SIZE]; /* the latest bytes, which may be the trailer */
	size_t n_held;
};

static void hash(struct ring *r, struct span bytes)
{
	codec_sha256_update(&r->sha, bytes);
}

/* Hash all but the last 32 bytes seen so far. */
static void take_block(struct ring *r, struct span b)
{
	enum { N = CODEC_SHA256_SIZE };

	if (b.len >= N) {
		hash(r, (struct span){ r->held, r->n_held });
		hash(r, (struct span){ b.p, b.len - N });
		memcpy(r->held, b.p + b.len - N, N);
		r->n_held = N;
		return;
	}
	const size_t out = r->n_held + b.len > N ? r->n_held + b.len - N : 0;
	hash(r, (struct span){ r->held, out });
	memmove(r->held, r->held + out, r->n_held - out);
	r->n_held -= out;
	memcpy(r->held + r->n_held, b.p, b.len);
	r->n_held += b.len;
}

static void *hash_blocks(void *ctx)
{
	struct ring *r = ctx;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->n_hashed == r->n_filled && !r->ended)
			pthread_cond_wait(&r->moved, &r->lock);
		if (r->n_hashed == r->n_filled)
			break;
		const unsigned i = r->n_hashed % BLOCKS;
		pthread_mutex_unlock(&r->lock);
		take_block(r, (struct span){ r->block[i], r->len[i] });
		pthread_mutex_lock(&r->lock);
		r->n_hashed++;
		pthread_cond_signal(&r->moved);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static unsigned wait_for_block(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->n_filled - r->n_hashed == BLOCKS)
		pthread_cond_wait(&r->moved, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return r->n_filled % BLOCKS;
}

static void hand_over(struct ring *r, bool end)
{
	pthread_mutex_lock(&r->lock);
	if (end)
		r->ended = true;
	else
		r->n_filled++;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

/* Start the write-back of the window just written, wait for the one before and drop it. */
static void push_out(int fd, uint64_t at)
{
	if (at % BEHIND || !at)
		return;
	sync_file_range(fd, (off_t)(at - BEHIND), BEHIND, SYNC_FILE_RANGE_WRITE);
	if (at < 3 * (uint64_t)BEHIND)
		return;
	const off_t old = (off_t)(at - 3 * (uint64_t)BEHIND);
	sync_file_range(fd, old, BEHIND,
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	posix_fadvise(fd, old, BEHIND, POSIX_FADV_DONTNEED);
}

static int fill(size_t *len, uint8_t *block, const struct etcd_source *from, struct err *e)
{
	*len = 0;
	while (*len < BLOCK) {
		size_t got = 0;
		if (from->read(from->ctx, &got, block + *len, BLOCK - *len, e))
			return e->code;
		if (!got)
			break;
		*len += got;
	}
	return 0;
}

static int pump(uint64_t *size, struct ring *r, int to, const struct etcd_source *from,
	const struct listener *l, const char *step, struct err *e)
{
	uint64_t at = 0;
	size_t len = BLOCK;

	while (len == BLOCK) {
		const unsigned i = wait_for_block(r);
		if (fill(&len, r->block[i], from, e))
			return e->code;
		if (!len)
			break;
		r->len[i] = len;
		hand_over(r, false);
		/* The hasher only reads the block; it comes back when both are done with it,
		 * for this thread fills the next one only after writing this. */
		if (to >= 0) {
			if (file_write_at(to, r->block[i], len, at, e))
				return e->code;
			push_out(to, at + len);
		}
		at += len;
		if (at % (16 * (uint64_t)BLOCK) == 0)
			event_progress(l, step, at, from->size);
	}
	*size = at;
	return 0;
}

int etcd_copy(struct etcd_copied *copied, int to, const struct etcd_source *from,
	const struct listener *listener, const char *step, struct err *e)
{
	struct ring r = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
	uint8_t *blocks = aligned_alloc(4096, (size_t)BLOCKS * BLOCK);
	uint64_t size = 0;
	pthread_t hasher;

	if (!blocks)
		out_of_memory((size_t)BLOCKS * BLOCK);
	for (unsigned i = 0; i < BLOCKS; i++)
		r.block[i] = blocks + (size_t)i * BLOCK;
	codec_sha256_init(&r.sha);
	if (pthread_create(&hasher, NULL, hash_blocks, &r)) {
		err_set(e, ERR_IO, "cannot start a second thread");
	} else {
		pump(&size, &r, to, from, listener, step, e);
		hand_over(&r, true);
		pthread_join(hasher, NULL);
	}
	free(blocks);
	if (e->code)
		return e->code;
	*copied = (struct etcd_copied){ .size = size };
	memcpy(copied->last, r.held, r.n_held);
	codec_sha256_final(copied->digest, &r.sha);
	return 0;
}

static int read_file(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	return file_read_some(got, *(const int *)ctx, bytes, room, e);
}

struct etcd_source etcd_source_file(int *fd)
{
	struct stat st;

	posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return (struct etcd_source){ read_file, fd, fstat(*fd, &st) ? 0 : (uint64_t)st.st_size };
}
