/* What a new tree takes over from an old one, and the flags that keep a thing as it is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "target/commit_part.h"
#include "target/file.h"

enum { FIXED = FS_IMMUTABLE_FL | FS_APPEND_FL };

/* "db" for "db"; any old segment for a new one; else any of the same kind. */
static int model(int old, const struct names *names, const char *name, mode_t kind)
{
	const char *end = strrchr(name, '.');

	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < names->n; i++) {
			const char *tail = strrchr(names->v[i], '.');
			struct stat st;
			if (pass == 0 && strcmp(names->v[i], name))
				continue;
			if (pass == 1 && (!end || !tail || strcmp(tail, end)))
				continue;
			if (fstatat(old, names->v[i], &st, AT_SYMLINK_NOFOLLOW) ||
				(st.st_mode & S_IFMT) != (kind & S_IFMT) ||
				commit_is_ours(names->v[i]))
				continue;
			return openat(
				old, names->v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		}
	}
	return -1;
}

static int like_one(int fd, int old, int above, const char *name, struct err *e)
{
	struct stat st;

	if (old >= 0)
		return target_copy_metadata(old, fd, name, e);
	if (fstat(above, &st) || fchown(fd, st.st_uid, st.st_gid))
		return err_sys(e, "%s: its owner", name);
	return target_label_like(fd, above, name, e);
}

static int like_children(
	int new, int old, int above, struct arena *a, unsigned depth, struct err *e)
{
	struct names names = { 0 }, olds = { 0 };
	const int next = old >= 0 ? old : above;

	if (depth > DIGEST_DEPTH_MAX)
		return err_set(e, ERR_FORMAT, "what is staged lies too deep");
	if (names_read(&names, a, &(struct root){ new }, ".", e) ||
		(old >= 0 && names_read(&olds, a, &(struct root){ old }, ".", e)))
		return e->code;
	for (size_t i = 0; i < names.n; i++) {
		CLOSE_FD int fd =
			openat(new, names.v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat st;
		if (fd < 0 || fstat(fd, &st))
			return err_sys(e, "%s", names.v[i]);
		CLOSE_FD int from = old >= 0 ? model(old, &olds, names.v[i], st.st_mode) : -1;
		if (like_one(fd, from, next, names.v[i], e) ||
			(S_ISDIR(st.st_mode) && like_children(fd, from, next, a, depth + 1, e)))
			return e->code;
	}
	return 0;
}

int commit_like(int new, int old, int above, const char *name, struct err *e)
{
	struct arena arena = ARENA(64 << 20);
	const int status =
		like_one(new, old, above, name, e) || like_children(new, old, above, &arena, 0, e)
			? e->code
			: 0;

	arena_free(&arena);
	return status;
}

static int sync_children(int dir, struct arena *a, unsigned depth, struct err *e)
{
	struct names names = { 0 };

	if (depth > DIGEST_DEPTH_MAX)
		return err_set(e, ERR_FORMAT, "what is staged lies too deep");
	if (names_read(&names, a, &(struct root){ dir }, ".", e))
		return e->code;
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW))
			return err_sys(e, "%s", names.v[i]);
		if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
			continue;
		CLOSE_FD int fd =
			openat(dir, names.v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, "%s", names.v[i]);
		if (S_ISDIR(st.st_mode) && sync_children(fd, a, depth + 1, e))
			return e->code;
		/* After an error the kernel may have dropped what was to be written: no second
		 * try makes that good, so all that is staged is lost. */
		if (fsync(fd))
			return err_sys(e, "%s: fsync", names.v[i]);
	}
	return 0;
}

int commit_sync_tree(struct commit_spot at, struct err *e)
{
	struct arena arena = ARENA(64 << 20);
	CLOSE_FD int fd = -1;
	int status = root_open_at(&fd, at.root, at.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e);

	if (!status)
		status = sync_children(fd, &arena, 0, e);
	if (!status && fsync(fd))
		status = err_sys(e, "%s: fsync", at.path);
	arena_free(&arena);
	return status;
}

/* The C libraries do not agree on the type of ioctl's request. */
static int get_flags(int fd, int *flags)
{
	return (int)syscall(SYS_ioctl, fd, FS_IOC_GETFLAGS, flags);
}

static int set_flags(int fd, const int *flags)
{
	return (int)syscall(SYS_ioctl, fd, FS_IOC_SETFLAGS, flags);
}

int commit_note_flags(struct commit *c, const char *device, const char *path, int fd, struct err *e)
{
	struct journal *j = &c->journal;
	int flags = 0;

	if (get_flags(fd, &flags) || !(flags & FIXED))
		return 0;
	if (!c->clear_immutable)
		return err_set(e, ERR_DECLINED,
			"%s%s/%s is %s; chattr -%s it, or say storage.clear-immutable: yes", device,
			*device ? ": " : "", path,
			flags & FS_IMMUTABLE_FL ? "immutable" : "append-only",
			flags & FS_IMMUTABLE_FL ? "i" : "a");
	for (size_t i = 0; i < j->n_locked; i++) {
		if (!strcmp(j->locked[i].device, device) && !strcmp(j->locked[i].path, path))
			return 0;
	}
	if (j->n_locked == JOURNAL_PLACES_MAX)
		return err_set(e, ERR_DECLINED, "too much is immutable; chattr -R -i it");
	if (!j->locked)
		j->locked = arena_array(c->arena, JOURNAL_PLACES_MAX, sizeof *j->locked);
	j->locked[j->n_locked++] = (struct journal_place){ arena_print(c->arena, "%s", device),
		arena_print(c->arena, "%s", path), (unsigned)(flags & FIXED) };
	return 0;
}

static int change_flags(
	const struct commit *c, const struct journal_place *p, bool lock, struct err *e)
{
	CLOSE_FD int fd = -1;
	struct commit_spot at;
	struct err none = { 0 };
	int flags = 0;

	if (commit_spot(&at, c, p->device, p->path, e))
		return e->code;
	if (root_open_at(&fd, at.root, *p->path ? p->path : ".", O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
		    &none))
		return none.code == ERR_NOTFOUND ? 0 : (*e = none, e->code);
	if (get_flags(fd, &flags))
		return lock ? 0 : err_sys(e, "%s: its flags", p->path);
	const int want = lock ? flags | (int)p->flags : flags & ~FIXED;
	if (want == flags)
		return 0;
	if (set_flags(fd, &want))
		return err_sys(e, "%s: its immutable flag", p->path);
	return fsync(fd) ? err_sys(e, "%s", p->path) : 0;
}

int commit_unlock(struct commit *c, struct err *e)
{
	for (size_t i = 0; i < c->journal.n_locked; i++) {
		if (change_flags(c, &c->journal.locked[i], false, e))
			return e->code;
	}
	return 0;
}

/* Directories last noted come first: what is in them is changed before they are closed. */
int commit_lock(struct commit *c, struct err *e)
{
	for (size_t i = c->journal.n_locked; i-- > 0;) {
		if (change_flags(c, &c->journal.locked[i], true, e))
			return e->code;
	}
	return 0;
}
