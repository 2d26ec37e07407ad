/* The files of the first boot: what waited is put in place, and its own go at the end. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "plan/finish.h"
#include "target/file.h"

static const char step[] = "finish";

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *parent_of(const struct finish *f, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_print(f->arena, "%.*s", (int)(slash - path), path) : ".";
}

static int open_parent(int *dir, const struct finish *f, const char *path, struct err *e)
{
	return root_open_at(dir, f->root, parent_of(f, path), O_RDONLY | O_DIRECTORY, e);
}

static int make_parent(const struct finish *f, const char *path, struct err *e)
{
	const char *parent = parent_of(f, path);

	return root_exists(f->root, parent) ? 0 : target_make_directories(f->root, parent, 0755, e);
}

static bool is_same(int a, const char *a_name, int b, const char *b_name)
{
	struct stat x, y;

	return !fstatat(a, a_name, &x, AT_SYMLINK_NOFOLLOW) &&
	       !fstatat(b, b_name, &y, AT_SYMLINK_NOFOLLOW) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Under a name of its own until it is whole. */
int finish_release(struct finish *f, const struct finish_held *h, struct err *e)
{
	CLOSE_FD int from = -1, to = -1;
	const char *from_name = name_of(h->held), *to_name = name_of(h->path);

	if (!root_exists(f->root, h->held))
		return 0;
	if (open_parent(&from, f, h->held, e) || make_parent(f, h->path, e) ||
		open_parent(&to, f, h->path, e))
		return e->code;
	/* The other half of a try that was cut. */
	if (is_same(from, from_name, to, to_name)) {
		unlinkat(from, from_name, 0);
		return 0;
	}
	if (root_exists(f->root, h->path)) {
		event_warning(f->listener, step, "%s is there already; %s is left where it is",
			h->path, h->held);
		return 0;
	}
	if (target_second_name(from, from_name, to, to_name, e))
		return e->code;
	unlinkat(from, from_name, 0);
	event_info(f->listener, step, "%s is in place", h->path);
	f->released++;
	return 0;
}

/* Only when nothing is in it. */
static void drop_directory(struct finish *f, const char *path)
{
	CLOSE_FD int dir = -1;
	struct err none = { 0 };

	if (!open_parent(&dir, f, path, &none))
		unlinkat(dir, name_of(path), AT_REMOVEDIR);
}

/* A file, and the directory that it was alone in when that was made for it. */
static int drop(struct finish *f, const char *path, struct err *e)
{
	const char *parent = parent_of(f, path);
	CLOSE_FD int dir = -1;
	struct err none = { 0 };

	if (open_parent(&dir, f, path, &none))
		return 0;
	if (unlinkat(dir, name_of(path), 0) && errno != ENOENT)
		return err_sys(e, "%s", path);
	if (fsync(dir))
		return err_sys(e, "the directory of %s", path);
	if (str_ends(str_from(parent), STR(".service.d")))
		drop_directory(f, parent);
	return 0;
}

int finish_remove(struct finish *f, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	for (size_t i = 0; i < f->record.files.n; i++) {
		if (!strchr(f->record.files.v[i], '/'))
			return err_set(
				e, ERR_FORMAT, "%s is none of its files", f->record.files.v[i]);
		if (drop(f, f->record.files.v[i], e))
			return e->code;
	}
	if (root_open_at(&state.fd, f->root, f->state, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	unlinkat(state.fd, "finish", AT_REMOVEDIR);
	/* Where pods waited, once the last of them is in place. */
	for (size_t i = 0; i < f->record.n_held; i++)
		drop_directory(f, parent_of(f, f->record.held[i].held));
	if (unlinkat(state.fd, FINISH_RECORD, 0) && errno != ENOENT)
		return err_sys(e, "%s/" FINISH_RECORD, f->state);
	f->removed = true;
	return fsync(state.fd) ? err_sys(e, "%s", f->state) : 0;
}
