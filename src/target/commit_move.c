/* Single moves: each is durable when it returns. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "target/commit_part.h"
#include "target/file.h"

static int watch(struct commit *c, const char *what, const char *path, struct err *e)
{
	char text[COMMIT_PATH + 32];

	if (!c->watch)
		return 0;
	snprintf(text, sizeof text, "%s %s", what, path);
	return c->watch(c->ctx, text, e);
}

int commit_parent(int *dir, const char **name, struct commit_spot at, struct err *e)
{
	char parent[COMMIT_PATH];
	const char *slash = strrchr(at.path, '/');
	const size_t len = slash ? (size_t)(slash - at.path) : 0;

	*name = slash ? slash + 1 : at.path;
	if (len >= sizeof parent || !**name)
		return err_set(e, ERR_USAGE, "%s is no path of something in a directory", at.path);
	memcpy(parent, len ? at.path : ".", len ? len : 1);
	parent[len ? len : 1] = '\0';
	return root_open_at(dir, at.root, parent, O_RDONLY | O_DIRECTORY, e);
}

/* What is there, without following a link; `*dir` is -1 when nothing is, which is no error. */
static int look_at(
	struct stat *st, int *dir, const char **name, struct commit_spot at, struct err *e)
{
	struct err why = { 0 };

	*dir = -1;
	if (commit_parent(dir, name, at, &why)) {
		if (why.code == ERR_NOTFOUND)
			return 0;
		*e = why;
		return e->code;
	}
	if (!fstatat(*dir, *name, st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "%s", at.path);
	file_close(dir);
	return 0;
}

int commit_inode(uint64_t *inode, struct commit_spot at, struct err *e)
{
	CLOSE_FD int dir = -1;
	const char *name;
	struct stat st;

	*inode = 0;
	if (look_at(&st, &dir, &name, at, e))
		return e->code;
	if (dir >= 0)
		*inode = st.st_ino;
	return 0;
}

bool commit_exists(struct commit_spot at)
{
	struct err e = { 0 };
	uint64_t inode;

	return !commit_inode(&inode, at, &e) && inode;
}

int commit_sum(char hex[DIGEST_HEX], struct commit_spot at, struct err *e)
{
	const struct digest_way way = { 0 };
	CLOSE_FD int dir = -1;
	const char *name;
	struct stat st;

	*hex = '\0';
	if (look_at(&st, &dir, &name, at, e))
		return e->code;
	if (dir < 0)
		return 0;
	if (!S_ISREG(st.st_mode)) {
		memcpy(hex, "-", 2);
		return 0;
	}
	return digest_file(hex, NULL, at.root, at.path, &way, e);
}

/* What a directory has lost or got is on the disk. */
static int sync_both(int from, int to, const char *path, struct err *e)
{
	if (fsync(to) || fsync(from))
		return err_sys(e, "the directory of %s", path);
	return 0;
}

int commit_move(struct commit *c, struct commit_spot from, struct commit_spot to, unsigned flags,
	struct err *e)
{
	CLOSE_FD int a = -1, b = -1;
	const char *name_a, *name_b;

	if (commit_parent(&a, &name_a, from, e) || commit_parent(&b, &name_b, to, e) ||
		watch(c, flags & RENAME_EXCHANGE ? "exchange" : "rename", to.path, e))
		return e->code;
	c->changed = true;
	if (renameat2(a, name_a, b, name_b, flags)) {
		/* Some file systems know neither flag: what stands there has been looked at. */
		if ((errno != EINVAL && errno != ENOSYS) || flags != RENAME_NOREPLACE ||
			commit_exists(to) || renameat(a, name_a, b, name_b))
			return err_sys(e, "%s to %s", from.path, to.path);
	}
	return sync_both(a, b, to.path, e);
}

int commit_drop(struct commit *c, struct commit_spot at, struct err *e)
{
	CLOSE_FD int dir = -1;
	const char *name;

	if (commit_parent(&dir, &name, at, e) || watch(c, "unlink", at.path, e))
		return e->code;
	c->changed = true;
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return err_sys(e, "%s", at.path);
	return fsync(dir) ? err_sys(e, "the directory of %s", at.path) : 0;
}

static int make_parents(struct commit_spot at, mode_t mode, struct err *e)
{
	char parent[COMMIT_PATH];
	const char *slash = strrchr(at.path, '/');
	const size_t len = slash ? (size_t)(slash - at.path) : 0;

	if (len >= sizeof parent)
		return err_set(e, ERR_USAGE, "%s: this path is too long", at.path);
	memcpy(parent, at.path, len);
	parent[len] = '\0';
	return len ? target_make_directories(at.root, parent, mode, e) : 0;
}

int commit_second(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e)
{
	char is[DIGEST_HEX], want[DIGEST_HEX];
	CLOSE_FD int a = -1, b = -1;
	const char *name_a, *name_b;

	if (make_parents(to, 0700, e) || commit_parent(&a, &name_a, from, e) ||
		commit_parent(&b, &name_b, to, e) || commit_sum(is, to, e))
		return e->code;
	if (*is) {
		if (commit_sum(want, from, e))
			return e->code;
		if (strcmp(is, want))
			return err_set(e, ERR_DECLINED, "%s is in the way, and is not what was %s",
				to.path, from.path);
		return fsync(b) ? err_sys(e, "the directory of %s", to.path) : 0;
	}
	if (watch(c, "link", to.path, e))
		return e->code;
	return target_second_name(a, name_a, b, name_b, e)
		       ? err_wrap(e, "keeping %s as %s", from.path, to.path)
		       : 0;
}

int commit_carry(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e)
{
	struct err why = { 0 };

	if (make_parents(to, 0755, e))
		return e->code;
	if (!commit_move(c, from, to, RENAME_NOREPLACE, &why))
		return 0;
	if (why.errnum != EXDEV && why.errnum != EEXIST) {
		*e = why;
		return e->code;
	}
	return commit_second(c, from, to, e) || commit_drop(c, from, e) ? e->code : 0;
}

int commit_bring(struct commit *c, struct commit_spot from, struct commit_spot to, unsigned flags,
	struct err *e)
{
	struct err why = { 0 };
	struct commit_spot above = { .root = to.root };

	if (make_parents(to, 0755, e))
		return e->code;
	if (!commit_move(c, from, to, flags, &why))
		return 0;
	if (why.errnum != EXDEV) {
		*e = why;
		return e->code;
	}
	if (commit_above(&above.path, c, to, "", e) || commit_remove(NULL, above, e) ||
		commit_second(c, from, above, e) || commit_move(c, above, to, flags, e))
		return e->code;
	return commit_drop(c, from, e);
}

struct removal {
	uint64_t bytes;
	bool pretend;
	dev_t device;
};

static int remove_at(struct removal *r, int dir, const char *name, unsigned depth, struct err *e);

static int empty(struct removal *r, int fd, unsigned depth, struct err *e)
{
	CLEAN_ROOT struct root root = { fd };
	struct arena arena = ARENA(64 << 20);
	struct names names = { 0 };
	int status = names_read(&names, &arena, &root, ".", e);

	for (size_t i = 0; i < names.n && !status; i++)
		status = remove_at(r, fd, names.v[i], depth + 1, e);
	arena_free(&arena);
	return status;
}

static int remove_at(struct removal *r, int dir, const char *name, unsigned depth, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	if (st.st_dev != r->device || depth > DIGEST_DEPTH_MAX)
		return err_set(
			e, ERR_DECLINED, "%s is another file system, or lies too deep", name);
	if (S_ISDIR(st.st_mode)) {
		const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, "%s", name);
		if (empty(r, fd, depth, e))
			return e->code;
	}
	if (!r->pretend && unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) &&
		errno != ENOENT)
		return err_sys(e, "removing %s", name);
	if (S_ISDIR(st.st_mode) || st.st_nlink == 1)
		r->bytes += (uint64_t)st.st_blocks * 512;
	return 0;
}

static int remove_tree(uint64_t *bytes, bool pretend, struct commit_spot at, struct err *e)
{
	CLOSE_FD int dir = -1;
	const char *name;
	struct stat st;

	if (look_at(&st, &dir, &name, at, e))
		return e->code;
	if (dir < 0)
		return 0;
	struct removal r = { .pretend = pretend, .device = st.st_dev };
	if (remove_at(&r, dir, name, 0, e))
		return err_wrap(e, "%s", at.path);
	if (bytes)
		*bytes += r.bytes;
	return !pretend && fsync(dir) ? err_sys(e, "the directory of %s", at.path) : 0;
}

int commit_remove(uint64_t *freed, struct commit_spot at, struct err *e)
{
	return remove_tree(freed, false, at, e);
}

int commit_measure(uint64_t *bytes, struct commit_spot at, struct err *e)
{
	return remove_tree(bytes, true, at, e);
}
