/* blockdev.c - a disk for tests: one file over FUSE, whose writes are logged or can be cut short
 *
 *   blockdev record FILE IMAGE LOG   serves IMAGE as FILE; each request that changes it is in LOG
 *                                    before it is answered
 *   blockdev replay FILE IMAGE LOG   serves IMAGE, what it was when LOG began, with a part of LOG
 *                                    done to it; IMAGE itself is only read
 *
 * FILE exists and is mounted over; a loop device with direct I/O is set up on it.  One request is
 * served at a time, so the log has them in the order in which they were answered: a file system
 * waits for a write before it sends the flush that is to make it durable, and for the flush before
 * it goes on.  The log is a list of { kind, offset, length } (64 bits each) and, of a write, its
 * bytes.
 *
 * Lines on stdin, each answered by one line; the end of stdin ends the program.
 *
 *   cut N            the first N entries are done, in order (a power cut with nothing in a cache)
 *   lose N SEED      all up to the last flush before N are done; of those behind, each block is
 *                    done or not (a power cut with a cache that had written back what it liked)
 *   sum              FNV-1a of the whole disk as it is served now
 *
 * A block is 4 KiB, as the loop device's sectors; how likely one is kept depends on SEED.  cut and
 * lose answer "ok DIGEST": equal digests for the same N's flush are the same disk.  What was
 * written to the disk since the last of them is forgotten.  N must not go behind an earlier flush.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK = 4096, WRITE_MAX = 1 << 20, REQUEST_MAX = WRITE_MAX + (64 << 10) };
enum kind { WRITE = 1, ZERO = 2, FLUSH = 3 };

struct entry {
	uint64_t kind, offset, length;
};

static uint8_t *image; /* record: what is served.  replay: that, below the blocks of `over` */
static uint64_t size, n_blocks;
static uint8_t **over; /* by block: NULL or the block as the cut and the file system have made it */
static uint64_t *dirty, n_dirty;
static int log_out = -1;
static const uint8_t *log_at; /* replay: the log in memory, and what of it is in the image */
static uint64_t *log_offset, n_log, flushed;
static uint8_t request[REQUEST_MAX], answer[REQUEST_MAX];

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fprintf(stderr, "blockdev: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, " (%s)\n", strerror(errno));
	exit(1);
}

static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15; /* splitmix64 */
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* The block to be changed: in the image itself, or a copy that the next cut forgets. */
static uint8_t *block(uint64_t n, bool in_image)
{
	if (in_image)
		return image + n * BLOCK;
	if (!over[n]) {
		if (!(over[n] = malloc(BLOCK)))
			die("memory");
		memcpy(over[n], image + n * BLOCK, BLOCK);
		dirty[n_dirty++] = n;
	}
	return over[n];
}

/* `data` NULL: zeros.  `keep` NULL, or asked for each block. */
static void put(uint64_t offset, uint64_t length, const uint8_t *data, bool in_image,
	bool (*keep)(void *), void *ctx)
{
	for (uint64_t at = 0; at < length;) {
		const uint64_t n = (offset + at) / BLOCK, in = (offset + at) % BLOCK;
		const uint64_t len = length - at < BLOCK - in ? length - at : BLOCK - in;
		if (!keep || keep(ctx)) {
			uint8_t *to = block(n, in_image) + in;
			if (data)
				memcpy(to, data + at, len);
			else
				memset(to, 0, len);
		}
		at += len;
	}
}

static void get(uint8_t *to, uint64_t offset, uint64_t length)
{
	for (uint64_t at = 0; at < length;) {
		const uint64_t n = (offset + at) / BLOCK, in = (offset + at) % BLOCK;
		const uint64_t len = length - at < BLOCK - in ? length - at : BLOCK - in;
		memcpy(to + at, (over && over[n] ? over[n] : image + n * BLOCK) + in, len);
		at += len;
	}
}

/* A request that changes the disk; false: it lies outside. */
static bool change(enum kind kind, uint64_t offset, uint64_t length, const uint8_t *data)
{
	if (offset > size || length > size - offset)
		return false;
	if (log_out >= 0) {
		struct entry e = { kind, offset, length };
		struct iovec v[2] = { { &e, sizeof e }, { (void *)data, data ? length : 0 } };
		if (writev(log_out, v, 2) != (ssize_t)(v[0].iov_len + v[1].iov_len))
			die("log");
	}
	if (kind != FLUSH)
		put(offset, length, data, log_out >= 0, NULL, NULL);
	return true;
}

/* ---- the part of the log that is done ---- */

static struct entry entry(uint64_t n, const uint8_t **data)
{
	struct entry e;
	memcpy(&e, log_at + log_offset[n], sizeof e);
	*data = e.kind == WRITE ? log_at + log_offset[n] + sizeof e : NULL;
	return e;
}

static void read_log(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		die("%s", path);
	if (!st.st_size)
		return;
	log_at = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (log_at == MAP_FAILED)
		die("%s", path);
	for (uint64_t at = 0; at + sizeof(struct entry) <= (uint64_t)st.st_size;) {
		if (n_log % 1024 == 0 &&
			!(log_offset = realloc(log_offset, (n_log + 1024) * sizeof *log_offset)))
			die("memory");
		log_offset[n_log++] = at;
		struct entry e;
		memcpy(&e, log_at + at, sizeof e);
		at += sizeof e + (e.kind == WRITE ? e.length : 0);
	}
}

struct chance {
	uint64_t state, bar, n, digest;
};

static bool chosen(void *ctx)
{
	struct chance *c = ctx;
	const bool yes = !c->bar || mix(&c->state) < c->bar;
	c->n++;
	if (yes)
		c->digest = (c->digest ^ c->n) * 0x100000001b3;
	return yes;
}

static void cut(uint64_t n, uint64_t seed)
{
	/* bar 0: every block is kept. */
	static const uint64_t bars[] = { UINT64_MAX / 2, UINT64_MAX / 10, UINT64_MAX / 10 * 9 };
	struct chance c = { .state = seed ^ n << 32,
		.bar = seed ? bars[seed % 3] : 0,
		.digest = 0xcbf29ce484222325 };
	const uint8_t *data;

	while (n_dirty) {
		const uint64_t b = dirty[--n_dirty];
		free(over[b]);
		over[b] = NULL;
	}
	uint64_t last = flushed;
	for (uint64_t i = flushed; i < n && i < n_log; i++)
		if (entry(i, &data).kind == FLUSH)
			last = i + 1;
	for (; flushed < last; flushed++) {
		const struct entry e = entry(flushed, &data);
		if (e.kind != FLUSH)
			put(e.offset, e.length, data, true, NULL, NULL);
	}
	for (uint64_t i = last; i < n && i < n_log; i++) {
		const struct entry e = entry(i, &data);
		put(e.offset, e.length, data, false, chosen, &c);
	}
	printf("ok %" PRIu64 ".%" PRIx64 "\n", last, c.digest);
}

static void command(void)
{
	static char line[256];
	static size_t have;
	const ssize_t got = read(0, line + have, sizeof line - 1 - have);
	if (got <= 0)
		exit(0);
	have += got;
	line[have] = '\0';
	char *end = strchr(line, '\n');
	if (!end) {
		if (have == sizeof line - 1)
			exit(1);
		return;
	}
	uint64_t n, seed;
	if (over && sscanf(line, "cut %" SCNu64, &n) == 1 && n >= flushed) {
		cut(n, 0);
	} else if (over && sscanf(line, "lose %" SCNu64 " %" SCNu64, &n, &seed) == 2 &&
		   n >= flushed && seed) {
		cut(n, seed);
	} else if (!strncmp(line, "sum", 3)) {
		uint64_t sum = 0xcbf29ce484222325;
		for (uint64_t b = 0; b < n_blocks; b++) {
			uint64_t words[BLOCK / 8];
			get((uint8_t *)words, b * BLOCK, BLOCK);
			for (size_t i = 0; i < BLOCK / 8; i++)
				sum = (sum ^ words[i]) * 0x100000001b3;
		}
		printf("ok %" PRIx64 "\n", sum);
	} else {
		printf("no\n");
	}
	fflush(stdout);
	have = 0;
}

/* ---- FUSE, as little of it as a loop device needs ---- */

static void reply(int fuse, uint64_t unique, int error, const void *data, size_t length)
{
	struct fuse_out_header head = {
		.len = sizeof head + length, .error = -error, .unique = unique
	};
	struct iovec v[2] = { { &head, sizeof head }, { (void *)data, length } };
	/* ENOENT: the request was interrupted meanwhile. */
	if (writev(fuse, v, length ? 2 : 1) < 0 && errno != ENOENT)
		die("answer");
}

static void serve(int fuse)
{
	const ssize_t got = read(fuse, request, sizeof request);
	if (got < 0 && errno == ENODEV)
		exit(0); /* unmounted */
	if (got < 0) {
		if (errno == EINTR || errno == ENOENT || errno == EAGAIN)
			return;
		die("read of /dev/fuse");
	}
	const struct fuse_in_header *in = (void *)request;
	const void *body = in + 1;
	int error = 0;

	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = {
			.major = FUSE_KERNEL_VERSION,
			.minor = 31,
			.max_readahead = 0,
			.max_background = 1,
			.congestion_threshold = 1,
			.max_write = WRITE_MAX,
			.max_pages = WRITE_MAX / BLOCK,
			.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES,
		};
		reply(fuse, in->unique, 0, &out, sizeof out);
		return;
	}
	case FUSE_GETATTR:
	case FUSE_SETATTR: {
		struct fuse_attr_out out = { .attr_valid = 3600,
			.attr = { .ino = 1,
				.size = size,
				.blocks = size / 512,
				.mode = S_IFREG | 0600,
				.nlink = 1,
				.blksize = BLOCK } };
		reply(fuse, in->unique, 0, &out, sizeof out);
		return;
	}
	case FUSE_OPEN: {
		struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };
		reply(fuse, in->unique, 0, &out, sizeof out);
		return;
	}
	case FUSE_READ: {
		const struct fuse_read_in *r = body;
		const uint64_t left = r->offset < size ? size - r->offset : 0;
		const uint64_t len = r->size < left ? r->size : left;
		get(answer, r->offset, len);
		reply(fuse, in->unique, 0, answer, len);
		return;
	}
	case FUSE_WRITE: {
		const struct fuse_write_in *w = body;
		struct fuse_write_out out = { .size = w->size };
		if (change(WRITE, w->offset, w->size, (const uint8_t *)(w + 1)))
			reply(fuse, in->unique, 0, &out, sizeof out);
		else
			reply(fuse, in->unique, ENOSPC, NULL, 0);
		return;
	}
	case FUSE_FALLOCATE: {
		const struct fuse_fallocate_in *f = body;
		if (!(f->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
			error = EOPNOTSUPP;
		else if (!change(ZERO, f->offset, f->length, NULL))
			error = ENOSPC;
		break;
	}
	case FUSE_FSYNC:
		change(FLUSH, 0, 0, NULL);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return; /* these have no answer */
	default:
		error = ENOSYS;
	}
	reply(fuse, in->unique, error, NULL, 0);
}

int main(int argc, char **argv)
{
	const bool record = argc == 5 && !strcmp(argv[1], "record");
	if (!record && (argc != 5 || strcmp(argv[1], "replay"))) {
		fprintf(stderr, "usage: blockdev record|replay FILE IMAGE LOG\n");
		return 2;
	}
	const int fd = open(argv[3], (record ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		die("%s", argv[3]);
	size = st.st_size;
	n_blocks = size / BLOCK;
	if (!size || size % BLOCK)
		die("%s: not a number of blocks", argv[3]);
	image = mmap(NULL, size, PROT_READ | PROT_WRITE,
		record ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (image == MAP_FAILED)
		die("%s", argv[3]);
	if (record) {
		log_out = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (log_out < 0)
			die("%s", argv[4]);
	} else {
		over = calloc(n_blocks, sizeof *over);
		dirty = calloc(n_blocks, sizeof *dirty);
		if (!over || !dirty)
			die("memory");
		read_log(argv[4]);
	}

	const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];
	snprintf(options, sizeof options, "fd=%d,rootmode=100600,user_id=0,group_id=0", fuse);
	if (fuse < 0)
		die("/dev/fuse");
	if (mount("blockdev", argv[2], "fuse.blockdev", MS_NOSUID | MS_NODEV, options))
		die("mount at %s", argv[2]);
	printf("ready\n");
	fflush(stdout);

	struct pollfd p[2] = { { .fd = fuse, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[0].revents)
			serve(fuse);
		if (p[1].revents)
			command();
	}
}
