#include "target/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "os/file.h"

enum { PATH = 4096, ATTRIBUTES = 65536 };

/* "a/b/c" is "a/b" and "c". */
static int split(char dir[PATH], const char **name, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash ? (size_t)(slash - path) : 0;

	*name = slash ? slash + 1 : path;
	if (len >= PATH || !**name || !strcmp(*name, ".") || !strcmp(*name, ".."))
		return err_set(e, ERR_USAGE, "%s is no path of a file", path);
	memcpy(dir, len ? path : ".", len ? len : 1);
	dir[len ? len : 1] = '\0';
	return 0;
}

static int copy_attribute(
	int from, int to, const char *attribute, void *value, const char *name, struct err *e)
{
	const ssize_t len = fgetxattr(from, attribute, value, ATTRIBUTES);

	if (len < 0)
		return errno == ENODATA ? 0 : err_sys(e, "%s: reading %s", name, attribute);
	/* The file system's own state is none of the file's. */
	if (fsetxattr(to, attribute, value, (size_t)len, 0) && errno != EOPNOTSUPP)
		return err_sys(e, "%s: setting %s", name, attribute);
	return 0;
}

int target_copy_metadata(int from, int to, const char *name, struct err *e)
{
	char *names = malloc(ATTRIBUTES), *value = malloc(ATTRIBUTES);
	struct stat st;
	int status = 0;

	if (!names || !value)
		out_of_memory(ATTRIBUTES);
	const ssize_t len = flistxattr(from, names, ATTRIBUTES);
	if (fstat(from, &st) || fchown(to, st.st_uid, st.st_gid) ||
		fchmod(to, st.st_mode & 07777) || (len < 0 && errno != EOPNOTSUPP))
		status = err_sys(e, "%s: owner and mode", name);
	for (ssize_t at = 0; !status && at < len; at += (ssize_t)strlen(names + at) + 1) {
		/* An overlay's notes are about the old one's place in its layers. */
		if (strncmp(names + at, "trusted.overlay.", 16))
			status = copy_attribute(from, to, names + at, value, name, e);
	}
	free(names);
	free(value);
	return status;
}

enum { LABEL_MAX = 1024 };

static const char label[] = "security.selinux";

int target_label_like(int new, int above, const char *name, struct err *e)
{
	char value[LABEL_MAX];
	const ssize_t len = fgetxattr(above, label, value, sizeof value);

	if (len < 0)
		return errno == ENODATA || errno == EOPNOTSUPP ? 0
							       : err_sys(e, "%s: its label", name);
	if (fsetxattr(new, label, value, (size_t)len, 0) && errno != EOPNOTSUPP)
		return err_sys(e, "%s: its label", name);
	return 0;
}

/* It gets its name once it has its label; what a kill leaves of it is taken up the next time. */
static int make_directory(int above, const char *name, mode_t mode, struct err *e)
{
	char new[300];
	CLOSE_FD int fd = -1;

	if (snprintf(new, sizeof new, ".%s.etcd-rescue-new", name) > 255)
		return err_set(e, ERR_USAGE, "this name is too long");
	if (mkdirat(above, new, mode) && errno != EEXIST)
		return err_sys(e, "making it");
	fd = openat(above, new, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "making it");
	if (target_label_like(fd, above, name, e))
		return e->code;
	/* Somebody else may have been faster. */
	if (renameat(above, new, above, name) &&
		((errno != EEXIST && errno != ENOTEMPTY) || unlinkat(above, new, AT_REMOVEDIR)))
		return err_sys(e, "making it");
	return fsync(above) ? err_sys(e, "syncing what it is in") : 0;
}

int target_make_directories(const struct root *root, const char *path, mode_t mode, struct err *e)
{
	char prefix[PATH];

	if (strlen(path) >= sizeof prefix)
		return err_set(e, ERR_USAGE, "%s: this path is too long", path);
	for (const char *slash = path; slash;) {
		slash = strchr(slash + 1, '/');
		const size_t len = slash ? (size_t)(slash - path) : strlen(path);
		char dir[PATH];
		const char *name;
		CLOSE_FD int fd = -1;
		memcpy(prefix, path, len);
		prefix[len] = '\0';
		if (!len || root_exists(root, prefix))
			continue;
		if (split(dir, &name, prefix, e) ||
			root_open_at(&fd, root, dir, O_RDONLY | O_DIRECTORY, e))
			return e->code;
		if (make_directory(fd, name, mode, e))
			return err_wrap(e, "%s", prefix);
	}
	return 0;
}

/* Where a second name cannot be: the same bytes and metadata, under it only when whole. */
static int copy(int from_dir, const char *from_name, int to_dir, const char *name, struct err *e)
{
	char sibling[300];
	uint8_t block[16384];
	size_t got;
	CLOSE_FD int from = -1, to = -1;

	if (snprintf(sibling, sizeof sibling, ".%s.new", name) > 255)
		return err_set(e, ERR_USAGE, "%s: this name is too long", name);
	from = openat(from_dir, from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0 || (unlinkat(to_dir, sibling, 0) && errno != ENOENT))
		return err_sys(e, "%s", from_name);
	to = openat(to_dir, sibling, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "%s", name);
	do {
		if (file_read_some(&got, from, block, sizeof block, e) ||
			file_write(to, block, got, e))
			goto gone;
	} while (got);
	if (target_copy_metadata(from, to, name, e))
		goto gone;
	if (fsync(to) || renameat(to_dir, sibling, to_dir, name)) {
		err_sys(e, "%s", name);
		goto gone;
	}
	return fsync(to_dir) ? err_sys(e, "the directory of %s", name) : 0;
gone:
	unlinkat(to_dir, sibling, 0);
	return e->code;
}

int target_second_name(
	int from_dir, const char *from_name, int to_dir, const char *name, struct err *e)
{
	if (!linkat(from_dir, from_name, to_dir, name, 0))
		return fsync(to_dir) ? err_sys(e, "the directory of %s", name) : 0;
	/* EPERM: a file system without links; EMLINK: too many of them. */
	if (errno != EXDEV && errno != EPERM && errno != EMLINK)
		return err_sys(e, "%s", name);
	return copy(from_dir, from_name, to_dir, name, e);
}

/* A second name for the old file. */
static int keep(const struct root *root, int dir, const char *name, const char *path, struct err *e)
{
	char place[PATH], parent[PATH];
	const char *kept;
	CLOSE_FD int fd = -1;

	if (snprintf(place, sizeof place, TARGET_STATE "/before/%s", path + strspn(path, "/")) >=
		(int)sizeof place)
		return err_set(e, ERR_USAGE, "%s: this path is too long", path);
	if (split(parent, &kept, place, e) || target_make_directories(root, parent, 0700, e) ||
		root_open_at(&fd, root, parent, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (!faccessat(fd, kept, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	return target_second_name(dir, name, fd, kept, e)
		       ? err_wrap(e, "keeping %s as %s", path, place)
		       : 0;
}

static int check(int fd, const char *path, struct err *e)
{
	struct stat st;
	int flags = 0;

	if (fstat(fd, &st))
		return err_sys(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_DECLINED, "%s is no regular file", path);
	/* The C libraries do not agree on the type of ioctl's request. */
	if (!syscall(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags) &&
		(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
		return err_set(e, ERR_DECLINED,
			"%s is immutable or append-only; storage.clear-immutable: yes lets it be "
			"changed",
			path);
	return 0;
}

/* Written, with the metadata of `like` or `mode`, synced, and named .NAME.new */
static int write_beside(int dir, const char *sibling, int like, mode_t mode, struct span content,
	const char *path, struct err *e)
{
	CLOSE_FD int fd = -1;

	if (unlinkat(dir, sibling, 0) && errno != ENOENT)
		return err_sys(e, "%s", path);
	fd = openat(dir, sibling, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%s", path);
	if (file_write(fd, content.p, content.len, e))
		return err_wrap(e, "%s", path);
	if (like >= 0              ? target_copy_metadata(like, fd, path, e)
		: fchmod(fd, mode) ? err_sys(e, "%s", path)
				   : 0)
		return e->code;
	return fsync(fd) ? err_sys(e, "%s", path) : 0;
}

enum old { OLD_NONE, OLD_KEPT, OLD_GONE };

static int put(const struct root *root, const char *path, int like, mode_t mode,
	struct span content, enum old old, struct err *e)
{
	char parent[PATH], sibling[300];
	const char *name;
	CLOSE_FD int dir = -1;

	if (split(parent, &name, path, e) ||
		root_open_at(&dir, root, parent, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (snprintf(sibling, sizeof sibling, ".%s.new", name) > 255)
		return err_set(e, ERR_USAGE, "%s: this name is too long", path);
	if (write_beside(dir, sibling, like, mode, content, path, e) ||
		(old == OLD_KEPT && keep(root, dir, name, path, e)))
		goto gone;
	if (renameat2(dir, sibling, dir, name, old == OLD_NONE ? RENAME_NOREPLACE : 0)) {
		err_sys(e, "%s", path);
		goto gone;
	}
	return fsync(dir) ? err_sys(e, "directory of %s", path) : 0;
gone:
	unlinkat(dir, sibling, 0);
	return e->code;
}

static int replace(
	const struct root *root, const char *path, struct span content, enum old is, struct err *e)
{
	CLOSE_FD int old = -1;
	char link[2];
	struct err none = { 0 };

	if (!root_read_link(link, sizeof link, root, path, &none))
		return err_set(
			e, ERR_DECLINED, "%s is a symbolic link; name what it leads to", path);
	if (root_open_at(&old, root, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, e) ||
		check(old, path, e))
		return e->code;
	return put(root, path, old, 0, content, is, e);
}

int target_replace(const struct root *root, const char *path, struct span content, struct err *e)
{
	return replace(root, path, content, OLD_KEPT, e);
}

int target_overwrite(const struct root *root, const char *path, struct span content, struct err *e)
{
	return replace(root, path, content, OLD_GONE, e);
}

int target_create(const struct root *root, const char *path, const char *like, mode_t mode,
	struct span content, struct err *e)
{
	CLOSE_FD int model = -1;
	char parent[PATH];
	const char *name;

	if (split(parent, &name, path, e) || target_make_directories(root, parent, 0755, e))
		return e->code;
	if (like && root_open_at(&model, root, like, O_RDONLY | O_NONBLOCK, e))
		return e->code;
	return put(root, path, model, mode, content, OLD_NONE, e);
}
