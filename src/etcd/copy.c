#include "etcd/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "os/file.h"

enum { BLOCK = 2 * 1024 * 1024, BLOCKS = 6, WINDOW = 16 * 1024 * 1024, HELD = CODEC_SHA256_SIZE };

_Static_assert(BLOCK % CODEC_BLOCK == 0, "a block has whole sums");

struct ring;

/* A thread that goes over every block once, in order. */
struct worker {
	pthread_t thread;
	struct ring *ring;
	void (*take)(struct ring *ring, struct span block, uint64_t at);
	unsigned n_done;
	bool runs;
};

struct ring {
	uint8_t *block[BLOCKS];
	size_t len[BLOCKS];
	pthread_mutex_t lock;
	pthread_cond_t moved;
	unsigned n_filled; /* as n_done, counted without end */
	bool ended;
	struct worker hasher, writer, summer;
	/* the hasher's: the latest bytes, which may be the trailer, wait */
	struct codec_sha256 sha;
	uint8_t held[HELD];
	size_t n_held;
	struct codec_block_sums *sums; /* the summer's */
	/* the writer's */
	int to;
	bool direct;
	struct err failed; /* under the lock */
};

/* Hash all but the last 32 bytes seen so far. */
static void hash_block(struct ring *r, struct span b, uint64_t at)
{
	(void)at;
	if (b.len >= HELD) {
		codec_sha256_update(&r->sha, (struct span){ r->held, r->n_held });
		codec_sha256_update(&r->sha, (struct span){ b.p, b.len - HELD });
		memcpy(r->held, b.p + b.len - HELD, HELD);
		r->n_held = HELD;
		return;
	}
	const size_t out = r->n_held + b.len > HELD ? r->n_held + b.len - HELD : 0;
	codec_sha256_update(&r->sha, (struct span){ r->held, out });
	memmove(r->held, r->held + out, r->n_held - out);
	r->n_held -= out;
	memcpy(r->held + r->n_held, b.p, b.len);
	r->n_held += b.len;
}

static void sum_block(struct ring *r, struct span b, uint64_t at)
{
	codec_block_sums_put(r->sums, at / CODEC_BLOCK, b);
}

/* Past the page cache, where the file system can: a copy less for the processor, and no
 * dirty pages to wait for.  Blocks are aligned; the last one, short, goes the usual way. */
static bool set_direct(int fd, bool on)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

/* Otherwise: start the write-back of the window just written; wait for an older one, drop it. */
static void push_out(int fd, uint64_t at)
{
	enum {
		WAIT = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
		       SYNC_FILE_RANGE_WAIT_AFTER
	};

	if (at % WINDOW)
		return;
	sync_file_range(fd, (off_t)(at - WINDOW), WINDOW, SYNC_FILE_RANGE_WRITE);
	if (at < 3 * (uint64_t)WINDOW)
		return;
	const off_t old = (off_t)(at - 3 * (uint64_t)WINDOW);
	sync_file_range(fd, old, WINDOW, WAIT);
	posix_fadvise(fd, old, WINDOW, POSIX_FADV_DONTNEED);
}

static int write_out(struct ring *r, struct span b, uint64_t at, struct err *e)
{
	if (r->direct && b.len == BLOCK) {
		if (!file_write_at(r->to, b.p, b.len, at, e))
			return 0;
		/* Some file systems take the flag and refuse the write. */
		if (e->errnum != EINVAL)
			return e->code;
		*e = (struct err){ 0 };
	}
	if (r->direct)
		r->direct = !set_direct(r->to, false);
	if (file_write_at(r->to, b.p, b.len, at, e))
		return e->code;
	push_out(r->to, at + b.len);
	return 0;
}

static void write_block(struct ring *r, struct span b, uint64_t at)
{
	struct err e = { 0 };

	/* After a failure blocks are only passed on, until the reader has noticed. */
	if (r->failed.code)
		return;
	if (write_out(r, b, at, &e)) {
		pthread_mutex_lock(&r->lock);
		r->failed = e;
		pthread_mutex_unlock(&r->lock);
	}
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct ring *r = w->ring;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (w->n_done == r->n_filled && !r->ended)
			pthread_cond_wait(&r->moved, &r->lock);
		if (w->n_done == r->n_filled)
			break;
		const unsigned i = w->n_done % BLOCKS;
		const struct span block = { r->block[i], r->len[i] };
		pthread_mutex_unlock(&r->lock);
		/* Only the last block is short, so the place follows from the count. */
		w->take(r, block, (uint64_t)w->n_done * BLOCK);
		pthread_mutex_lock(&r->lock);
		w->n_done++;
		pthread_cond_broadcast(&r->moved);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static bool is_full(const struct ring *r)
{
	const struct worker *all[] = { &r->hasher, &r->writer, &r->summer };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (all[i]->runs && r->n_filled - all[i]->n_done == BLOCKS)
			return true;
	}
	return false;
}

/* The next block that may be filled. */
static int wait_for_block(unsigned *i, struct ring *r, struct err *e)
{
	pthread_mutex_lock(&r->lock);
	while (is_full(r))
		pthread_cond_wait(&r->moved, &r->lock);
	const int failed = (int)r->failed.code;
	if (failed)
		*e = r->failed;
	*i = r->n_filled % BLOCKS;
	pthread_mutex_unlock(&r->lock);
	return failed;
}

static void hand_over(struct ring *r, bool end)
{
	pthread_mutex_lock(&r->lock);
	if (end)
		r->ended = true;
	else
		r->n_filled++;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

static int fill(size_t *len, uint8_t *block, const struct stream *from, struct err *e)
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

static int pump(uint64_t *size, struct ring *r, struct bolt_scan *scan, const struct stream *from,
	const struct listener *l, const char *step, struct err *e)
{
	size_t len = BLOCK;
	unsigned i;

	for (*size = 0; len == BLOCK; *size += len) {
		if (wait_for_block(&i, r, e) || fill(&len, r->block[i], from, e))
			return e->code;
		if (!len)
			break;
		if (scan)
			bolt_scan_feed(scan, (struct span){ r->block[i], len });
		r->len[i] = len;
		hand_over(r, false);
		if (*size % (8 * (uint64_t)BLOCK) == 0 && *size)
			event_progress(l, step, *size, from->size);
	}
	return 0;
}

static int start(struct worker *w, struct ring *r,
	void (*take)(struct ring *ring, struct span block, uint64_t at), struct err *e)
{
	*w = (struct worker){ .ring = r, .take = take };
	if (pthread_create(&w->thread, NULL, work, w))
		return err_set(e, ERR_IO, "cannot start another thread");
	w->runs = true;
	return 0;
}

static void join(struct worker *w)
{
	if (w->runs)
		pthread_join(w->thread, NULL);
}

int etcd_copy(struct etcd_copied *copied, int to, const struct stream *from,
	const struct listener *listener, const char *step, struct err *e)
{
	struct ring r = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.moved = PTHREAD_COND_INITIALIZER,
		.sums = copied->sums,
		.to = to };
	uint8_t *blocks = aligned_alloc(4096, (size_t)BLOCKS * BLOCK);
	uint64_t size = 0;

	if (!blocks)
		out_of_memory((size_t)BLOCKS * BLOCK);
	for (unsigned i = 0; i < BLOCKS; i++)
		r.block[i] = blocks + (size_t)i * BLOCK;
	codec_sha256_init(&r.sha);
	r.direct = to >= 0 && set_direct(to, true);
	int bad = start(&r.hasher, &r, hash_block, e);
	if (!bad && to >= 0)
		bad = start(&r.writer, &r, write_block, e);
	if (!bad && r.sums)
		bad = start(&r.summer, &r, sum_block, e);
	if (!bad)
		bad = pump(&size, &r, copied->scan, from, listener, step, e);
	hand_over(&r, true);
	join(&r.hasher);
	join(&r.writer);
	join(&r.summer);
	if (r.direct)
		set_direct(to, false);
	free(blocks);
	if (!bad && r.failed.code) {
		*e = r.failed;
		bad = (int)e->code;
	}
	if (bad)
		return bad;
	*copied = (struct etcd_copied){ .size = size, .scan = copied->scan, .sums = copied->sums };
	memcpy(copied->last, r.held, r.n_held);
	struct codec_sha256 whole = r.sha;
	codec_sha256_update(&whole, (struct span){ r.held, r.n_held });
	codec_sha256_final(copied->whole, &whole);
	codec_sha256_final(copied->digest, &r.sha);
	return 0;
}

int etcd_copy_sum_again(
	struct codec_block_sums *sums, int fd, uint64_t same, uint64_t size, struct err *e)
{
	const size_t n = (size_t)((size + CODEC_BLOCK - 1) / CODEC_BLOCK);
	uint8_t *block = malloc(CODEC_BLOCK);
	size_t next = 0;

	if (!block)
		out_of_memory(CODEC_BLOCK);
	if (sums->n > n)
		sums->n = n;
	while (next < n && !e->code) {
		const uint64_t at = (uint64_t)next * CODEC_BLOCK;
		const size_t len = size - at < CODEC_BLOCK ? (size_t)(size - at) : CODEC_BLOCK;
		if (file_read_at(fd, block, len, at, e))
			break;
		const struct codec_block_sum sum = codec_block_sum((struct span){ block, len });
		if (next < sums->n)
			sums->v[next] = sum;
		else
			codec_block_sums_put(sums, next, (struct span){ block, len });
		next = next + 1 < same / CODEC_BLOCK ? (size_t)(same / CODEC_BLOCK) : next + 1;
	}
	free(block);
	return e->code;
}

static int read_file(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	return file_read_some(got, *(const int *)ctx, bytes, room, e);
}

static int read_once(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	return file_read_once(got, *(const int *)ctx, bytes, room, e);
}

struct stream etcd_source_file(int *fd)
{
	struct stat st;
	const uint64_t size = fstat(*fd, &st) ? 0 : (uint64_t)st.st_size;

	posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return (struct stream){ file_is_cached(*fd, size) ? read_file : read_once, NULL, fd, size };
}

struct stream etcd_source_keep(int *fd)
{
	struct stream source = etcd_source_file(fd);

	source.read = read_file;
	return source;
}
