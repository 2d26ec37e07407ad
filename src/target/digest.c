#include "target/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "codec/block_sums.h"
#include "os/file.h"

enum { LINK_MAX_BYTES = 4096 };

struct walk {
	struct codec_sha256 sha;
	const struct digest_way *way;
	uint64_t bytes;
	dev_t device;
	uint8_t *block;
	struct err *e;
};

static void add(struct walk *w, const void *bytes, size_t len)
{
	codec_sha256_update(&w->sha, (struct span){ bytes, len });
}

static void add_name(struct walk *w, char kind, const char *name)
{
	add(w, &kind, 1);
	add(w, name, strlen(name) + 1);
}

static void hex_of(char hex[DIGEST_HEX], struct codec_sha256 *sha)
{
	uint8_t raw[CODEC_SHA256_SIZE];

	codec_sha256_final(raw, sha);
	codec_sha256_hex(hex, raw);
}

/* Behind the last byte that was ever written: a segment of the log is allocated long before. */
static uint64_t end_of_data(int fd, uint64_t size)
{
	off_t data, hole = 0;

	while ((data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return size;
	}
	/* ENXIO: no more data; anything else: this file system does not tell. */
	return errno == ENXIO ? (uint64_t)hole : size;
}

/* A whole file at once: pages that are dirty are not dropped, so it has been synced. */
static int begin_reading(struct walk *w, int fd, const char *name)
{
	if (w->way->drop)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	else if (w->way->write)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return lseek(fd, 0, SEEK_SET) ? err_sys(w->e, "%s", name) : 0;
}

/* A block, or less where it ends. */
static int read_block(size_t *got, struct walk *w, int fd, const char *name, size_t want)
{
	if (w->way->go_on && w->way->go_on(w->way->ctx, w->e))
		return w->e->code;
	for (*got = 0; *got < want;) {
		size_t more = 0;
		if ((w->way->drop ? file_read_once : file_read_some)(
			    &more, fd, w->block + *got, want - *got, w->e))
			return err_wrap(w->e, "%s", name);
		if (!more)
			break;
		*got += more;
	}
	w->bytes += *got;
	if (w->way->step)
		event_progress(w->way->listener, w->way->step, w->bytes, w->way->total);
	return 0;
}

static int plain_content(struct walk *w, int fd, const char *name)
{
	size_t got = CODEC_BLOCK;

	if (begin_reading(w, fd, name))
		return w->e->code;
	while (got == CODEC_BLOCK) {
		if (read_block(&got, w, fd, name, CODEC_BLOCK))
			return w->e->code;
		add(w, w->block, got);
	}
	return 0;
}

/* The sum of a block; empty ones wait until one comes that is not. */
static void add_sum(struct walk *w, const struct codec_block_sum *sum, uint64_t *empty)
{
	if (codec_block_is_empty(sum)) {
		++*empty;
		return;
	}
	const struct codec_block_sum none = codec_block_sum((struct span){ 0 });
	for (; *empty; --*empty)
		add(w, none.sha256, sizeof none.sha256);
	add(w, sum->sha256, sizeof sum->sha256);
}

static bool add_known(struct walk *w, const struct stat *st)
{
	uint64_t empty = 0;

	for (size_t i = 0; i < w->way->n_known; i++) {
		const struct digest_known *k = &w->way->known[i];
		if (k->device != st->st_dev || k->inode != st->st_ino ||
			k->size != (uint64_t)st->st_size ||
			k->sums->n != (k->size + CODEC_BLOCK - 1) / CODEC_BLOCK)
			continue;
		for (size_t n = 0; n < k->sums->n; n++)
			add_sum(w, &k->sums->v[n], &empty);
		w->bytes += k->size;
		return true;
	}
	return false;
}

static int content(struct walk *w, int fd, const char *name, const struct stat *st)
{
	const uint64_t size = (uint64_t)st->st_size, end = end_of_data(fd, size);
	uint64_t left = end, empty = 0;

	if (add_known(w, st))
		return 0;
	if (begin_reading(w, fd, name))
		return w->e->code;
	while (left) {
		const size_t want = left < CODEC_BLOCK ? (size_t)left : CODEC_BLOCK;
		size_t got;
		if (read_block(&got, w, fd, name, want))
			return w->e->code;
		if (got < want)
			return err_set(w->e, ERR_FORMAT, "%s ends %ju bytes too early", name,
				(uintmax_t)(left - got));
		left -= got;
		const struct codec_block_sum sum = codec_block_sum((struct span){ w->block, got });
		add_sum(w, &sum, &empty);
	}
	w->bytes += size - end;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int read_names(char ***names, size_t *n, int dir, struct err *e)
{
	const int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;
	size_t room = 0;

	*names = NULL;
	*n = 0;
	if (!d) {
		err_sys(e, "a directory");
		file_close(&(int){ again });
		return e->code;
	}
	while ((errno = 0, entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (*n == room) {
			room = room ? 2 * room : 64;
			char **more = reallocarray(*names, room, sizeof *more);
			if (!more || room > DIGEST_NAMES_MAX)
				out_of_memory(room * sizeof *more);
			*names = more;
		}
		(*names)[*n] = strdup(entry->d_name);
		if (!(*names)[(*n)++])
			out_of_memory(256);
	}
	if (errno)
		err_sys(e, "reading a directory");
	const int failed = errno;
	closedir(d);
	if (failed)
		return e->code;
	if (*n)
		qsort(*names, *n, sizeof **names, by_bytes);
	return 0;
}

static int walk_directory(struct walk *w, int dir, int depth);

static int entry(struct walk *w, int dir, const char *name, int depth)
{
	struct stat st;
	CLOSE_FD int fd = -1;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return err_sys(w->e, "%s", name);
	if (S_ISLNK(st.st_mode)) {
		char target[LINK_MAX_BYTES + 1];
		const ssize_t len = readlinkat(dir, name, target, LINK_MAX_BYTES);
		if (len < 0)
			return err_sys(w->e, "%s", name);
		target[len] = '\0';
		add_name(w, 'l', name);
		add(w, target, (size_t)len + 1);
		return 0;
	}
	if (st.st_dev != w->device)
		return err_set(w->e, ERR_FORMAT, "%s is another file system", name);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(w->e, ERR_FORMAT, "%s is neither a file nor a directory", name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(w->e, "%s", name);
	if (S_ISREG(st.st_mode)) {
		uint8_t size[8];
		put_le64(size, (uint64_t)st.st_size);
		add_name(w, 'f', name);
		add(w, size, sizeof size);
		return content(w, fd, name, &st);
	}
	if (depth >= DIGEST_DEPTH_MAX)
		return err_set(w->e, ERR_FORMAT, "%s lies too deep", name);
	add_name(w, 'd', name);
	if (walk_directory(w, fd, depth + 1))
		return w->e->code;
	add_name(w, 'u', "");
	return 0;
}

static int walk_directory(struct walk *w, int dir, int depth)
{
	char **names;
	size_t n;
	int status = read_names(&names, &n, dir, w->e);

	for (size_t i = 0; i < n && !status; i++)
		status = entry(w, dir, names[i], depth);
	free_names(names, n);
	return status;
}

static struct walk begin(const struct digest_way *way, struct err *e)
{
	struct walk w = { .way = way, .block = malloc(CODEC_BLOCK), .e = e };

	if (!w.block)
		out_of_memory(CODEC_BLOCK);
	codec_sha256_init(&w.sha);
	return w;
}

int digest_directory(char hex[DIGEST_HEX], uint64_t *bytes, const struct root *root,
	const char *path, const struct digest_way *way, struct err *e)
{
	CLOSE_FD int fd = -1;
	struct stat st;

	if (root_open_at(&fd, root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", path);
	struct walk w = begin(way, e);
	w.device = st.st_dev;
	const int status = walk_directory(&w, fd, 0);
	free(w.block);
	if (status)
		return err_wrap(e, "%s", path);
	if (bytes)
		*bytes = w.bytes;
	hex_of(hex, &w.sha);
	return 0;
}

int digest_file(char hex[DIGEST_HEX], uint64_t *bytes, const struct root *root, const char *path,
	const struct digest_way *way, struct err *e)
{
	CLOSE_FD int fd = -1;
	struct stat st;

	if (root_open_at(&fd, root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s is no regular file", path);
	struct walk w = begin(way, e);
	const int status = plain_content(&w, fd, path);
	free(w.block);
	if (status)
		return e->code;
	if (bytes)
		*bytes = w.bytes;
	hex_of(hex, &w.sha);
	return 0;
}

void digest_span(char hex[DIGEST_HEX], struct span bytes)
{
	struct codec_sha256 sha;

	codec_sha256_init(&sha);
	codec_sha256_update(&sha, bytes);
	hex_of(hex, &sha);
}
