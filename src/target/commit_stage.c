/* New directories, put beside the old ones; nothing of the old is touched. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"
#include "target/file.h"

int commit_staging(const struct commit *c, struct err *e)
{
	if (c->journal.phase != JOURNAL_INTENT)
		return err_set(e, ERR_BUG, "staged without a begin");
	return c->stopped ? c->stopped(c->ctx, e) : 0;
}

static const char *copy(const struct commit *c, const char *text)
{
	return arena_copy(c->arena, str_from(text));
}

static const char *below(const struct commit *c, const char *dir, const char *name)
{
	return arena_print(c->arena, "%s%s%s", dir, *dir ? "/" : "", name);
}

static int open_place(int *fd, struct commit_spot at, struct err *e)
{
	if (!root_open_at(
		    fd, at.root, *at.path ? at.path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e))
		return 0;
	if (e->errnum == ENOTDIR || e->errnum == ELOOP)
		return err_set(
			e, ERR_DECLINED, "%s is no directory; name what it leads to", at.path);
	return e->code;
}

static int new_stage(
	int fd, struct commit *c, const struct commit_place *place, const char *path, struct err *e)
{
	struct journal *j = &c->journal;

	if (j->n_stages == JOURNAL_PLACES_MAX)
		return err_set(e, ERR_DECLINED, "too many places to stage in");
	if (commit_note_flags(c, place->device, place->path, fd, e))
		return e->code;
	j->stages[j->n_stages++] = (struct journal_place){ copy(c, place->device), path, 0 };
	if (commit_save(c, JOURNAL_INTENT, e) || commit_unlock(c, e))
		return e->code;
	if (commit_remove(NULL, (struct commit_spot){ &(struct root){ fd }, COMMIT_STAGE }, e))
		return e->code;
	if (mkdirat(fd, COMMIT_STAGE, 0700) || fsync(fd))
		return err_sys(e, "%s", path);
	return 0;
}

int commit_stage_directory(struct root *dir, const char **inside, struct commit *c,
	const struct commit_place *told, struct err *e)
{
	const struct commit_place top = { told->device, "" };
	const struct commit_place *place = strcmp(told->path, ".") ? told : &top;
	struct commit_spot at;
	CLOSE_FD int fd = -1;
	bool known = false;

	if (commit_staging(c, e) || commit_spot(&at, c, place->device, place->path, e) ||
		(*at.path && target_make_directories(at.root, at.path, 0700, e)) ||
		open_place(&fd, at, e))
		return e->code;
	const char *path = below(c, place->path, COMMIT_STAGE);
	for (size_t i = 0; i < c->journal.n_stages; i++)
		known |= !strcmp(c->journal.stages[i].device, place->device) &&
			 !strcmp(c->journal.stages[i].path, path);
	if (!known && new_stage(fd, c, place, path, e))
		return e->code;
	const int stage = openat(fd, COMMIT_STAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (stage < 0)
		return err_sys(e, "%s", path);
	dir->fd = stage;
	*inside = path;
	return 0;
}

int commit_new_item(struct journal_item **item, struct commit *c, const struct commit_place *place,
	struct err *e)
{
	struct journal *j = &c->journal;

	for (size_t i = 0; i < j->n_items; i++) {
		if (!strcmp(j->items[i].device, place->device) &&
			!strcmp(j->items[i].path, place->path))
			return err_set(e, ERR_USAGE, "%s is to be changed twice", place->path);
	}
	if (j->n_items == JOURNAL_ITEMS_MAX)
		return err_set(
			e, ERR_DECLINED, "more than %d things to be changed", JOURNAL_ITEMS_MAX);
	*item = &j->items[j->n_items];
	**item = (struct journal_item){ .device = copy(c, place->device),
		.path = copy(c, place->path) };
	return 0;
}

/* A name for what is old that nobody has yet, neither now nor after a rollback. */
int commit_free_name(struct journal_item *item, const struct commit *c, struct err *e)
{
	const bool top = item->kind == JOURNAL_CONTENTS;
	struct commit_spot at, twin;

	for (int n = 1; n < COMMIT_NAMES_TRIED; n++) {
		char more[16] = "";
		if (n > 1)
			snprintf(more, sizeof more, "-%d", n);
		item->kept = arena_print(c->arena, "%s%s.before-%s%s", item->path,
			top && *item->path ? "/" : "", commit_short(c), more);
		if (commit_kept_at(&at, c, item, e))
			return e->code;
		twin = (struct commit_spot){ at.root,
			arena_print(c->arena, "%s%s.rolled-back-%s%s", item->path,
				top && *item->path ? "/" : "", commit_short(c), more) };
		if (!commit_exists(at) && !(top && commit_exists(twin)))
			return 0;
	}
	return err_set(
		e, ERR_DECLINED, "%s has too many old copies; etcd-rescue forget", item->path);
}

static bool is_staged(const struct commit *c, const char *device, const char *staged)
{
	for (size_t i = 0; i < c->journal.n_stages; i++) {
		const struct journal_place *p = &c->journal.stages[i];
		const size_t len = strlen(p->path);
		if (!strcmp(p->device, device) && !strncmp(p->path, staged, len) &&
			staged[len] == '/')
			return true;
	}
	return false;
}

/* Old, new and the directory above, all open. */
static int add_open(struct journal_item *item, struct commit *c, int old, int new, int above,
	const char *above_path, struct err *e)
{
	struct commit_mount where = { 0 }, from;
	struct stat st;

	if (commit_mount(&from, new, item->staged, e) ||
		(old >= 0 && commit_mount(&where, old, item->path, e)))
		return e->code;
	item->existed = old >= 0;
	item->kind = where.top || !*item->path ? JOURNAL_CONTENTS : JOURNAL_DIRECTORY;
	if (item->kind == JOURNAL_DIRECTORY && commit_mount(&where, above, above_path, e))
		return e->code;
	if (from.id != where.id)
		return err_set(e, ERR_USAGE, "%s is staged on another file system", item->path);
	if (old >= 0) {
		if (fstat(old, &st))
			return err_sys(e, "%s", item->path);
		if (commit_note_flags(c, item->device, item->path, old, e))
			return e->code;
		item->old_inode = st.st_ino;
	}
	if (above >= 0 && commit_note_flags(c, item->device, above_path, above, e))
		return e->code;
	if (fstat(new, &st))
		return err_sys(e, "%s", item->staged);
	item->new_inode = st.st_ino;
	if (item->existed && commit_free_name(item, c, e))
		return e->code;
	return commit_like(new, old, above, item->path, e);
}

int commit_add_directory(
	struct commit *c, const struct commit_place *place, const char *staged, struct err *e)
{
	struct journal_item *item;
	struct commit_spot at, from;
	CLOSE_FD int old = -1, new = -1, above = -1;
	struct err none = { 0 };
	const char *name;

	if (commit_staging(c, e) || commit_new_item(&item, c, place, e) ||
		commit_at(&at, c, item, e) || commit_spot(&from, c, place->device, staged, e))
		return e->code;
	if (!is_staged(c, place->device, staged))
		return err_set(e, ERR_BUG, "%s is not where things are staged", staged);
	item->staged = copy(c, staged);
	if (open_place(&old, at, &none) && none.code != ERR_NOTFOUND) {
		*e = none;
		return e->code;
	}
	if (open_place(&new, from, e) || (*at.path && commit_parent(&above, &name, at, e)))
		return e->code;
	const char *slash = strrchr(item->path, '/');
	const char *above_path =
		arena_print(c->arena, "%.*s", slash ? (int)(slash - item->path) : 0, item->path);
	if (add_open(item, c, old, new, above, above_path, e))
		return e->code;
	c->journal.n_items++;
	return 0;
}
