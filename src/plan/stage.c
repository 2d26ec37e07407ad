#include "plan/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"

enum { MODE_FILE = 0600, MODE_DIR = 0700 };

int stage_open(struct stage *stage, struct arena *a, const char *path, bool make, struct err *e)
{
	struct stage s = { .arena = a, .dir = -1, .path = path };

	if (make && !mkdir(path, MODE_DIR))
		s.made = true;
	else if (make && errno != EEXIST)
		return err_sys(e, "%s", path);
	s.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dir < 0)
		return err_sys(e, "%s", path);
	s.v = arena_array(a, STAGE_FILES, sizeof *s.v);
	*stage = s;
	return 0;
}

static const char *shown(const struct stage *s, const char *path)
{
	const size_t n = strlen(s->path);

	if (!strcmp(s->path, "."))
		return path;
	return arena_print(
		s->arena, "%s%s%s", s->path, n && s->path[n - 1] == '/' ? "" : "/", path);
}

/* The directory that the last part of `path` goes to; what is missing is made. */
static int go_down(int *dir, struct stage_file *f, struct stage *s, const char *path, struct err *e)
{
	struct str part, head, rest = str_from(path);
	CLOSE_FD int at = fcntl(s->dir, F_DUPFD_CLOEXEC, 3);

	for (unsigned depth = 0; at >= 0 && str_cut(&part, &head, rest, '/'); depth++) {
		const char *name = arena_copy(s->arena, part);
		const size_t so_far = (size_t)(part.p - path) + part.len;
		if (!part.len || str_is(part, ".") || str_is(part, "..") || depth >= STAGE_DEPTH)
			return err_set(e, ERR_FORMAT, "%s: no name for a file", path);
		if (!mkdirat(at, name, MODE_DIR)) {
			if (!f->made_below)
				f->made_below = arena_copy(s->arena, (struct str){ path, so_far });
		} else if (errno != EEXIST) {
			return err_sys(e, "%s", shown(s, path));
		}
		const int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, "%s", shown(s, path));
		file_close(&at);
		at = next;
		rest = head;
	}
	if (at < 0)
		return err_sys(e, "%s", s->path);
	f->name = arena_copy(s->arena, rest);
	*dir = at;
	at = -1;
	return 0;
}

/* Where files cannot be nameless; a second one that runs is noticed by the lock. */
static int open_part(struct stage_file *f, struct stage *s, struct err *e)
{
	f->part = arena_print(s->arena, ".%s.part", f->name);
	f->fd = openat(f->dir, f->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, MODE_FILE);
	if (f->fd < 0)
		return err_sys(e, "%s", shown(s, f->path));
	if (flock(f->fd, LOCK_EX | LOCK_NB)) {
		file_close(&f->fd);
		return err_set(
			e, ERR_DECLINED, "%s: somebody else is writing it", shown(s, f->path));
	}
	return ftruncate(f->fd, 0) ? err_sys(e, "%s", shown(s, f->path)) : 0;
}

static int check_room(
	const struct stage_file *f, const struct stage *s, uint64_t size, struct err *e)
{
	struct statvfs v;

	if (!size || fstatvfs(f->dir, &v))
		return 0;
	const uint64_t free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	if (free_bytes >= size)
		return 0;
	return err_set(e, ERR_SPACE, "%s: needs %" PRIu64 " bytes, %" PRIu64 " are free there",
		shown(s, f->path), size, free_bytes);
}

static int begin(struct stage_file *f, struct stage *s, uint64_t size, struct err *e)
{
	struct stat st;

	if (go_down(&f->dir, f, s, f->path, e))
		return e->code;
	if (!fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) &&
		(!s->replace || S_ISDIR(st.st_mode)))
		return err_set(e, ERR_DECLINED, "%s: is there already%s", shown(s, f->path),
			S_ISDIR(st.st_mode) ? ", as a directory" : "; --force replaces it");
	if (check_room(f, s, size, e))
		return e->code;
	if (!s->named)
		f->fd = openat(f->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, MODE_FILE);
	/* Its name comes through /proc. */
	if (f->fd >= 0 && !faccessat(AT_FDCWD, "/proc/self/fd", X_OK, 0))
		return 0;
	file_close(&f->fd);
	return open_part(f, s, e);
}

static void forget(struct stage *s, struct stage_file *f)
{
	if (f->dir >= 0) {
		if (f->published)
			unlinkat(f->dir, f->name, 0);
		else if (f->part && f->fd >= 0)
			unlinkat(f->dir, f->part, 0);
	}
	file_close(&f->fd);
	file_close(&f->dir);
	if (!f->made_below)
		return;
	/* From the deepest directory up to the first that was made; one in use stays. */
	char *path = arena_copy(s->arena, str_from(f->path));
	const size_t first = strlen(f->made_below);
	for (char *slash = strrchr(path, '/'); slash && (size_t)(slash - path) >= first;
		slash = strrchr(path, '/')) {
		*slash = '\0';
		unlinkat(s->dir, path, AT_REMOVEDIR);
	}
}

int stage_begin(struct stage_file **file, struct stage *stage, const char *path, uint64_t size,
	struct err *e)
{
	struct stage_file *f = arena_alloc(stage->arena, sizeof *f);

	if (stage->n == STAGE_FILES)
		return err_set(e, ERR_SPACE, "more than %d files", STAGE_FILES);
	*f = (struct stage_file){
		.fd = -1, .dir = -1, .path = arena_copy(stage->arena, str_from(path))
	};
	if (begin(f, stage, size, e)) {
		forget(stage, f);
		return e->code;
	}
	stage->v[stage->n++] = f;
	*file = f;
	return 0;
}

static int name_it(struct stage_file *f, struct stage *s, struct err *e)
{
	char self[64];

	if (f->part) {
		const unsigned flags = s->replace ? 0 : RENAME_NOREPLACE;
		if (!syscall(SYS_renameat2, f->dir, f->part, f->dir, f->name, flags))
			return 0;
		/* Old network file systems know no flags. */
		if (errno == EINVAL && !renameat(f->dir, f->part, f->dir, f->name))
			return 0;
		return err_sys(e, "%s", shown(s, f->path));
	}
	snprintf(self, sizeof self, "/proc/self/fd/%d", f->fd);
	if (!linkat(AT_FDCWD, self, f->dir, f->name, AT_SYMLINK_FOLLOW))
		return 0;
	if (errno != EEXIST || !s->replace)
		return err_sys(e, "%s", shown(s, f->path));
	const char *beside = arena_print(s->arena, ".%s.part", f->name);
	unlinkat(f->dir, beside, 0);
	if (linkat(AT_FDCWD, self, f->dir, beside, AT_SYMLINK_FOLLOW) ||
		renameat(f->dir, beside, f->dir, f->name)) {
		err_sys(e, "%s", shown(s, f->path));
		unlinkat(f->dir, beside, 0);
		return e->code;
	}
	return 0;
}

int stage_publish(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		if (file_sync(s->v[i]->fd, e))
			return err_wrap(e, "%s", shown(s, s->v[i]->path));
	}
	for (size_t i = 0; i < s->n; i++) {
		if (name_it(s->v[i], s, e))
			return e->code;
		s->v[i]->published = true;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (file_sync(s->v[i]->dir, e))
			return err_wrap(e, "%s", s->path);
	}
	if (file_sync(s->dir, e))
		return err_wrap(e, "%s", s->path);
	s->done = true;
	return 0;
}

void stage_drop(struct stage *s, size_t n)
{
	while (s->n > n)
		forget(s, s->v[--s->n]);
}

void stage_close(struct stage *s)
{
	if (s->dir < 0)
		return;
	for (size_t i = 0; s->done && i < s->n; i++) {
		file_close(&s->v[i]->fd);
		file_close(&s->v[i]->dir);
	}
	if (!s->done)
		stage_drop(s, 0);
	file_close(&s->dir);
	if (s->made && !s->done)
		rmdir(s->path);
}
