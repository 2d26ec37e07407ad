#include "target/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "codec/sha256.h"
#include "os/file.h"

enum { BLOCK = 1 << 20, LINK_MAX_BYTES = 4096 };

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

/* Without the zeros at its end. */
static size_t trimmed(const uint8_t *p, size_t n)
{
	if (n && !p[0] && !memcmp(p, p + 1, n - 1))
		return 0;
	while (n && !p[n - 1])
		n--;
	return n;
}

static void add_zeros(struct walk *w, uint64_t n)
{
	static const uint8_t zeros[64 << 10];

	for (; n; n -= n < sizeof zeros ? n : sizeof zeros)
		add(w, zeros, n < sizeof zeros ? n : sizeof zeros);
}

/* With `trim`, zeros at the end are not added: their number follows from the size. */
static int content(struct walk *w, int fd, const char *name, uint64_t size, bool trim)
{
	const uint64_t end = trim ? end_of_data(fd, size) : size;
	uint64_t left = end, zeros = 0;

	/* A whole file at once: pages that are dirty are not dropped, so it has been synced. */
	if (w->way->drop)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	else if (w->way->write)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (lseek(fd, 0, SEEK_SET))
		return err_sys(w->e, "%s", name);
	while (left || !trim) {
		const size_t want = trim && left < BLOCK ? (size_t)left : BLOCK;
		size_t got = 0;
		if (w->way->go_on && w->way->go_on(w->way->ctx, w->e))
			return w->e->code;
		if (file_read_some(&got, fd, w->block, want, w->e))
			return err_wrap(w->e, "%s", name);
		if (!got)
			break;
		if (got > left)
			return err_set(w->e, ERR_MISMATCH, "%s grows while it is read", name);
		left -= got;
		w->bytes += got;
		const size_t used = trim ? trimmed(w->block, got) : got;
		if (used) {
			add_zeros(w, zeros);
			add(w, w->block, used);
			zeros = 0;
		}
		zeros += got - used;
		if (w->way->step)
			event_progress(w->way->listener, w->way->step, w->bytes, w->way->total);
	}
	if (left)
		return err_set(
			w->e, ERR_FORMAT, "%s ends %ju bytes too early", name, (uintmax_t)left);
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
		return content(w, fd, name, (uint64_t)st.st_size, true);
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
	struct walk w = { .way = way, .block = malloc(BLOCK), .e = e };

	if (!w.block)
		out_of_memory(BLOCK);
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
	const int status = content(&w, fd, path, (uint64_t)st.st_size, false);
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
