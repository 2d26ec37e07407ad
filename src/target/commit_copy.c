/* A tree onto another file system, with all that belongs to it; proved by whoever asked for it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "target/commit_part.h"
#include "target/file.h"

enum { BLOCK = 1 << 20 };

struct copy {
	struct commit *c;
	struct arena *arena;
	uint8_t *block;
	dev_t device;
	struct err *e;
};

static int copy_bytes(struct copy *w, int from, int to, const char *name)
{
	for (;;) {
		const struct commit *c = w->c;
		if (c->stopped && c->journal.phase <= JOURNAL_PREPARED && c->stopped(c->ctx, w->e))
			return w->e->code;
		const ssize_t n = read(from, w->block, BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(w->e, "%s", name);
		if (!n)
			return 0;
		if (file_write(to, w->block, (size_t)n, w->e))
			return err_wrap(w->e, "%s", name);
	}
}

static int copy_directory(struct copy *w, int from, int to, int depth);

static int copy_link(struct copy *w, int from, int to, const char *name)
{
	char target[PATH_MAX];
	const ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return err_sys(w->e, "%s", name);
	target[n] = '\0';
	return symlinkat(target, to, name) ? err_sys(w->e, "%s", name) : 0;
}

static int copy_one(struct copy *w, int from, int to, const char *name, int depth)
{
	CLOSE_FD int in = -1, out = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return err_sys(w->e, "%s", name);
	if (S_ISLNK(st.st_mode))
		return copy_link(w, from, to, name);
	const bool is_directory = S_ISDIR(st.st_mode);
	if ((!is_directory && !S_ISREG(st.st_mode)) || st.st_dev != w->device ||
		depth > DIGEST_DEPTH_MAX)
		return err_set(w->e, ERR_DECLINED,
			"%s is neither a file nor a directory of this file system", name);
	if (w->c->watch && w->c->watch(w->c->ctx, name, w->e))
		return w->e->code;
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (in < 0 || (is_directory && mkdirat(to, name, 0700)))
		return err_sys(w->e, "%s", name);
	out = openat(to, name,
		is_directory ? O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
			     : O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	if (out < 0)
		return err_sys(w->e, "%s", name);
	if (is_directory ? copy_directory(w, in, out, depth + 1) : copy_bytes(w, in, out, name))
		return w->e->code;
	return target_copy_metadata(in, out, name, w->e);
}

static int copy_directory(struct copy *w, int from, int to, int depth)
{
	const struct arena_mark mark = arena_mark(w->arena);
	struct names names = { 0 };
	int status = names_read(&names, w->arena, &(struct root){ from }, ".", w->e);

	for (size_t i = 0; i < names.n && !status; i++)
		status = copy_one(w, from, to, names.v[i], depth);
	arena_release(w->arena, mark);
	return status;
}

int commit_copy(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e)
{
	struct copy w = { .c = c, .arena = c->arena, .e = e };
	CLOSE_FD int in = -1, dir = -1, out = -1;
	const char *name;
	struct stat st;

	if (commit_remove(NULL, to, e) || commit_parent(&dir, &name, to, e) ||
		root_open_at(&in, from.root, from.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e))
		return e->code;
	if (fstat(in, &st) || mkdirat(dir, name, 0700))
		return err_sys(e, "%s", to.path);
	w.device = st.st_dev;
	out = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return err_sys(e, "%s", to.path);
	w.block = malloc(BLOCK);
	if (!w.block)
		out_of_memory(BLOCK);
	const int status =
		copy_directory(&w, in, out, 0) || target_copy_metadata(in, out, to.path, e);
	free(w.block);
	if (status)
		return err_wrap(e, "copying %s to %s", from.path, to.path);
	return commit_sync_tree(to, e) ? e->code : fsync(dir) ? err_sys(e, "%s", to.path) : 0;
}
