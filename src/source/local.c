#include "source/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/file.h"

enum { LIST_MAX = 100000, DEPTH = 5, NAMES_BYTES = 32 << 20, TRY_MS = 20000, LOOK_NS = 500000 };
enum { READER_BYTES = 64 * 1024 };

struct listing {
	const struct local *place;
	struct source_objects *out;
	struct arena *arena;
	size_t room, used_before;
};

/* In a child: what may never come back. */
static void touch(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct stat st;
	struct err e;
	char byte;

	if (root_open_at(&fd, root, path, O_PATH, &e) || fstat(fd, &st))
		return;
	file_close(&fd);
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		if (!root_open_at(&fd, root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &e) &&
			!S_ISDIR(st.st_mode) && pread(fd, &byte, 1, 0) < 0)
			return;
}

int local_try(const struct root *root, const char *path, int limit_ms, struct err *e)
{
	const int64_t end = monotonic_ms() + limit_ms;
	const pid_t child = fork();

	if (child < 0)
		return err_sys(e, "fork");
	if (!child) {
		touch(root, path);
		_exit(0);
	}
	while (waitpid(child, NULL, WNOHANG) == 0) {
		if (monotonic_ms() >= end) {
			/* It sleeps in the kernel and dies when that gives up. */
			kill(child, SIGKILL);
			return err_set(e, ERR_IO,
				"%s: does not answer within %d s; a share whose server is gone, or "
				"a sick disk?",
				path, limit_ms / 1000);
		}
		nanosleep(&(struct timespec){ 0, LOOK_NS }, NULL);
	}
	return 0;
}

static void add(struct listing *l, const char *name, const char *path, const struct stat *st)
{
	struct source_objects *out = l->out;

	if (out->n == LIST_MAX) {
		out->cut = true;
		return;
	}
	if (out->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		struct source_object *more = arena_array(l->arena, l->room, sizeof *more);
		if (out->n)
			memcpy(more, out->v, out->n * sizeof *more);
		out->v = more;
	}
	out->v[out->n++] = (struct source_object){
		.name = arena_copy(l->arena, str_from(name)),
		.url = arena_print(l->arena, "%s%s", l->place->before, path),
		.size = (uint64_t)st->st_size,
		.modified = st->st_mtime,
	};
}

static const char *join(struct arena *a, const char *directory, const char *name)
{
	const size_t len = strlen(directory);

	return arena_print(
		a, "%s%s%s", directory, !len || directory[len - 1] == '/' ? "" : "/", name);
}

/* What a path leads to below the root, without opening it. */
static bool look(struct stat *st, const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct err e;

	return !root_open_at(&fd, root, path, O_PATH, &e) && !fstat(fd, st);
}

static int list_below(
	struct listing *l, const char *path, const char *below, unsigned depth, struct err *e);

/* Hidden files are what copies are called while they last. */
static int list_entry(struct listing *l, int dir, const struct dirent *entry, const char *path,
	const char *below, unsigned depth, struct err *e)
{
	const char *name = join(l->arena, below, entry->d_name);
	const char *full = join(l->arena, path, entry->d_name);
	struct stat st;

	/* What is no file has a name, too. */
	if (l->arena->used - l->used_before > NAMES_BYTES) {
		l->out->cut = true;
		return 0;
	}
	if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return 0; /* it has gone meanwhile */
	const bool link = S_ISLNK(st.st_mode);
	if (link && !look(&st, l->place->root, full))
		return 0;
	if (S_ISREG(st.st_mode))
		add(l, name, full, &st);
	else if (S_ISDIR(st.st_mode) && !link && depth < DEPTH)
		return list_below(l, full, name, depth + 1, e);
	return 0;
}

static int read_entries(struct listing *l, DIR *dir, const char *path, const char *below,
	unsigned depth, struct err *e)
{
	while (!l->out->cut) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry && errno)
			return err_sys(e, "%s", path);
		if (!entry)
			return 0;
		if (*entry->d_name != '.' &&
			list_entry(l, dirfd(dir), entry, path, below, depth, e))
			return e->code;
	}
	return 0;
}

static int list_below(
	struct listing *l, const char *path, const char *below, unsigned depth, struct err *e)
{
	int fd = -1;

	if (root_open_at(&fd, l->place->root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, e)) {
		if (!depth)
			return e->code;
		event_warning(l->place->listener, "source", "%s; passed over", e->text);
		return 0;
	}
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(e, "%s", path);
	}
	const int result = read_entries(l, dir, path, below, depth, e);
	closedir(dir);
	return result;
}

static int no_file(struct err *e, const char *path, mode_t mode)
{
	if (S_ISDIR(mode))
		return err_set(e, ERR_FORMAT, "%s: is a directory, not a file", path);
	if (S_ISBLK(mode))
		return err_set(e, ERR_FORMAT,
			"%s: is a disk; write dev:%s for what lies on its file system", path, path);
	return err_set(e, ERR_FORMAT, "%s: is a device, a pipe or a socket, not a file", path);
}

int local_list(
	struct source_objects *objects, struct arena *a, const struct local *place, struct err *e)
{
	struct listing l = { place, objects, a, 0, a->used };
	CLOSE_FD int fd = -1;
	struct stat st;

	*objects = (struct source_objects){ 0 };
	if (local_try(place->root, place->path, TRY_MS, e) ||
		root_open_at(&fd, place->root, place->path, O_PATH, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", place->path);
	if (S_ISDIR(st.st_mode))
		return list_below(&l, place->path, "", 0, e);
	if (!S_ISREG(st.st_mode))
		return no_file(e, place->path, st.st_mode);
	add(&l, "", place->path, &st);
	return 0;
}

struct reading {
	struct arena arena;
	int fd;
	uint64_t at, size;
	struct timespec modified;
	bool once; /* it was not in memory, and need not be afterwards */
	const char *path;
};

/* Whoever writes a backup over the old one while we read it must not get a mixture restored. */
static int check_end(const struct reading *r, struct err *e)
{
	struct stat st;

	if (fstat(r->fd, &st))
		return err_sys(e, "%s", r->path);
	if (r->at != r->size || (uint64_t)st.st_size != r->size ||
		st.st_mtim.tv_sec != r->modified.tv_sec ||
		st.st_mtim.tv_nsec != r->modified.tv_nsec)
		return err_set(e, ERR_MISMATCH,
			"%s changed while it was read; take one that is finished", r->path);
	return 0;
}

static int read_some(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct reading *r = ctx;

	*got = 0;
	if ((r->once ? file_read_once : file_read_some)(got, r->fd, bytes, room, e))
		return err_wrap(e, "%s at byte %ju", r->path, (uintmax_t)r->at);
	r->at += *got;
	return *got || !room ? 0 : check_end(r, e);
}

static void close_reading(void *ctx)
{
	struct reading *r = ctx;

	close(r->fd);
	struct arena all = r->arena; /* and the struct in it */
	arena_free(&all);
}

int local_read(struct stream *stream, const struct local *place, const char *url, struct err *e)
{
	const size_t before = strlen(place->before);
	CLOSE_FD int fd = -1;
	struct stat st;

	if (strncmp(url, place->before, before) != 0)
		return err_set(e, ERR_BUG, "%s: is not below %s", url, place->before);
	const char *path = url + before;
	if (local_try(place->root, path, TRY_MS, e))
		return e->code;
	/* What it is comes first: to open a tape drive would wind it. */
	if (root_open_at(&fd, place->root, path, O_PATH, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", path);
	file_close(&fd);
	if (!S_ISREG(st.st_mode))
		return no_file(e, path, st.st_mode);
	if (root_open_at(&fd, place->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return no_file(e, path, st.st_mode);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	struct arena arena = ARENA(2 * READER_BYTES);
	struct reading *r = arena_alloc(&arena, sizeof *r);
	*r = (struct reading){ .fd = fd,
		.size = (uint64_t)st.st_size,
		.modified = st.st_mtim,
		.once = !file_is_cached(fd, (uint64_t)st.st_size) };
	r->path = arena_copy(&arena, (struct str){ path, strnlen(path, READER_BYTES) });
	r->arena = arena;
	fd = -1;
	*stream = (struct stream){ read_some, close_reading, r, (uint64_t)st.st_size };
	return 0;
}
