#include "etcd/datadir_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"

enum { DEPTH_MAX = 8 };

static const char staging_prefix[] = ".etcd-rescue-";

static const char *option_of(enum etcd_place_kind kind)
{
	return kind == ETCD_PLACE_DATA ? "data-dir" : "wal-dir";
}

/* A volume's root may hold lost+found; anything else belongs to somebody. */
static int check_empty(int fd, const char *path, struct err *e)
{
	const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;
	int rc = 0;

	if (!d) {
		err_sys(e, "data-dir \"%s\" not empty or could not be read", path);
		if (again >= 0)
			close(again);
		return e->code;
	}
	while (!rc && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "lost+found"))
			continue;
		rc = err_set(e, ERR_USAGE,
			"data-dir \"%s\" not empty or could not be read: it has %s%s", path, name,
			strncmp(name, staging_prefix, sizeof staging_prefix - 1)
				? ""
				: ", which an interrupted restore left; remove that first");
	}
	closedir(d);
	return rc;
}

static bool strip(char path[ETCD_PLACE_PATH], const char *text)
{
	const size_t len = strnlen(text, ETCD_PLACE_PATH);

	if (!len || len >= ETCD_PLACE_PATH)
		return false;
	memcpy(path, text, len + 1);
	for (size_t n = len; n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = 0;
	return true;
}

/* Step into `name` below *dir, making it if need be; *dir is replaced.  ERR_NOTFOUND when
 * it is missing and nothing may be made. */
static int enter(
	struct etcd_datadir_place *place, int *dir, const char *name, bool make, struct err *e)
{
	const size_t len = strlen(place->made);
	int next = openat(*dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (next < 0 && errno == ENOENT && make) {
		if (place->top < 0)
			place->top = openat(*dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (place->top < 0 || mkdirat(*dir, name, 0700))
			return err_sys(e, "make directory %s", name);
		snprintf(place->made + len, sizeof place->made - len, "%s%s", len ? "/" : "", name);
		next = openat(*dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (next < 0)
		return err_sys(e, "%s", name);
	close(*dir);
	*dir = next;
	return 0;
}

/* The directory that will hold the last part of `path`. */
static int find_parent(
	struct etcd_datadir_place *place, int base, char *path, bool make, struct err *e)
{
	char *rest = strrchr(path, '/');
	CLOSE_FD int dir = openat(base, *path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, "current directory");
	snprintf(place->final, sizeof place->final, "%.255s", rest ? rest + 1 : path);
	if (rest)
		*rest = 0;
	for (char *name = rest ? strtok_r(path, "/", &rest) : NULL; name;
		name = strtok_r(NULL, "/", &rest)) {
		struct err why = { 0 };

		if (!enter(place, &dir, name, make, &why))
			continue;
		/* A dry run goes as far as there is something to look at. */
		if (!make && why.code == ERR_NOTFOUND)
			break;
		*e = why;
		return e->code;
	}
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS))
		return err_sys(e, "the directory for %s", place->final);
	if (make && (place->parent = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_sys(e, "the directory for %s", place->final);
	return 0;
}

int etcd_place_find(struct etcd_datadir_place *place, int base, const char *text,
	enum etcd_place_kind kind, bool make, struct err *e)
{
	char path[ETCD_PLACE_PATH];
	struct stat st;

	*place = NO_PLACE;
	if (!strip(path, text))
		return err_set(
			e, ERR_USAGE, "%s is %s", option_of(kind), *text ? "too long" : "empty");
	CLOSE_FD int existing = openat(base, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (existing >= 0) {
		if (kind == ETCD_PLACE_WAL)
			return err_set(e, ERR_USAGE, "wal-dir \"%s\" exists", text);
		if (check_empty(existing, text, e))
			return e->code;
		if (faccessat(existing, ".", W_OK | X_OK, AT_EACCESS))
			return err_sys(e, "data-dir \"%s\"", text);
		snprintf(place->final, sizeof place->final, "member");
		place->into_existing = true;
		if (make) {
			place->parent = existing;
			existing = -1;
		}
		return 0;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, "%s \"%s\"", option_of(kind), text);
	if (!fstatat(base, path, &st, AT_SYMLINK_NOFOLLOW))
		return err_set(e, ERR_USAGE, "%s \"%s\" exists and is %s", option_of(kind), text,
			S_ISLNK(st.st_mode) ? "a link to nothing" : "not a directory");
	const char *last = strrchr(path, '/');
	const char *name = last ? last + 1 : path;

	if (!strcmp(name, ".") || !strcmp(name, "..") || strlen(name) >= ETCD_PLACE_NAME)
		return err_set(e, ERR_USAGE, "%s \"%s\" cannot be made", option_of(kind), text);
	if (find_parent(place, base, path, make, e))
		return err_wrap(e, "%s \"%s\"", option_of(kind), text);
	return 0;
}

int etcd_place_stage(int *fd, struct etcd_datadir_place *place, struct err *e)
{
	for (int attempt = 0; attempt < 10; attempt++) {
		unsigned random;

		if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
			random = (unsigned)getpid() + (unsigned)attempt;
		snprintf(place->staging, sizeof place->staging, "%s%08x", staging_prefix, random);
		if (mkdirat(place->parent, place->staging, 0700)) {
			if (errno == EEXIST)
				continue;
			return err_sys(e, "make a directory beside %s", place->final);
		}
		place->staged = true;
		*fd = openat(place->parent, place->staging,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		return *fd < 0 ? err_sys(e, "%s", place->staging) : 0;
	}
	return err_set(e, ERR_IO, "no free name beside %s", place->final);
}

/* musl has no wrapper.  File systems that do not know the flag get a plain rename, behind
 * a look at the name. */
static int rename_no_replace(int dir, const char *from, const char *to, struct err *e)
{
	struct stat st;

	if (!syscall(SYS_renameat2, dir, from, dir, to, RENAME_NOREPLACE))
		return 0;
	if (errno == EINVAL || errno == ENOSYS) {
		if (!fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW))
			errno = EEXIST;
		else if (!renameat(dir, from, dir, to))
			return 0;
	}
	if (errno == EEXIST)
		return err_set(e, ERR_USAGE, "%s has appeared meanwhile; nothing was replaced", to);
	return err_sys(e, "rename to %s", to);
}

/* Every directory that got a new name because of us. */
static int sync_parents(const struct etcd_datadir_place *place, struct err *e)
{
	char path[ETCD_PLACE_PATH];

	if (file_sync(place->parent, e))
		return e->code;
	if (place->top < 0)
		return 0;
	snprintf(path, sizeof path, "%s", place->made);
	for (char *cut = strrchr(path, '/'); cut; cut = strrchr(path, '/')) {
		*cut = 0;
		CLOSE_FD int fd = openat(place->top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || fsync(fd))
			return err_sys(e, "%s", path);
	}
	return file_sync(place->top, e);
}

int etcd_place_publish(struct etcd_datadir_place *place, struct err *e)
{
	if (rename_no_replace(place->parent, place->staging, place->final, e))
		return e->code;
	place->staged = false;
	place->published = true;
	return sync_parents(place, e);
}

int etcd_place_chown(const struct etcd_datadir_place *place, uid_t uid, gid_t gid, struct err *e)
{
	char path[ETCD_PLACE_PATH];

	snprintf(path, sizeof path, "%s", place->made);
	while (place->top >= 0 && *path) {
		char *cut = strrchr(path, '/');

		if (fchownat(place->top, path, uid, gid, AT_SYMLINK_NOFOLLOW))
			return err_sys(e, "owner of %s", path);
		*(cut ? cut : path) = 0;
	}
	return 0;
}

static void remove_tree(int dir, const char *name, int depth)
{
	if (!unlinkat(dir, name, 0) || depth > DEPTH_MAX)
		return;
	const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			remove_tree(fd, entry->d_name, depth + 1);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	unlinkat(dir, name, AT_REMOVEDIR);
}

void etcd_place_remove(struct etcd_datadir_place *place)
{
	if (place->published)
		remove_tree(place->parent, place->final, 0);
	if (place->staged)
		remove_tree(place->parent, place->staging, 0);
	place->published = place->staged = false;
	/* Not when somebody else has put something there. */
	while (place->top >= 0 && *place->made) {
		char *cut = strrchr(place->made, '/');

		if (unlinkat(place->top, place->made, AT_REMOVEDIR))
			break;
		*(cut ? cut : place->made) = 0;
	}
}

void etcd_place_close(struct etcd_datadir_place *place)
{
	file_close(&place->parent);
	file_close(&place->top);
}
