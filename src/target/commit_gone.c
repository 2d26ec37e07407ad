/* A directory that goes away: one rename to the name of what is old, and back.  Where there is
 * none, there is nothing to do but on the way back: what has come to be there then was not there
 * before. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"

/* Of a mount's own top all that is in it goes: its new contents are none. */
static int empty_top(struct commit *c, const struct commit_place *place, struct err *e)
{
	static const char name[] = "none";
	CLEAN_ROOT struct root stage = NO_ROOT;
	const char *inside;

	if (commit_stage_directory(&stage, &inside, c, place, e))
		return e->code;
	if (mkdirat(stage.fd, name, 0700) || fsync(stage.fd))
		return err_sys(e, "%s/%s", inside, name);
	return commit_add_directory(c, place, arena_print(c->arena, "%s/%s", inside, name), e);
}

/* Mounted there, or a mount of another tree. */
static bool is_top(const struct commit_mount *its, const struct commit_mount *above)
{
	return its->top || its->id != above->id;
}

/* The name is nobody's, but what goes away has one in every journal. */
static int add_nothing(struct commit *c, const struct commit_place *place, struct err *e)
{
	struct journal_item *item;

	if (commit_new_item(&item, c, place, e))
		return e->code;
	item->kind = JOURNAL_DIRECTORY;
	if (commit_free_name(item, c, e))
		return e->code;
	c->journal.n_items++;
	return 0;
}

int commit_add_gone(struct commit *c, const struct commit_place *place, struct err *e)
{
	struct commit_mount its, above;
	struct journal_item *item;
	struct commit_spot at;
	struct err none = { 0 };
	CLOSE_FD int old = -1, up = -1;
	const char *name;
	struct stat st;

	if (commit_staging(c, e) || commit_spot(&at, c, place->device, place->path, e))
		return e->code;
	if (root_open_at(&old, at.root, *at.path ? at.path : ".",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &none)) {
		if (none.code == ERR_NOTFOUND)
			return add_nothing(c, place, e);
		return err_set(e, ERR_DECLINED, "%s is no directory that could be put aside: %s",
			at.path, none.text);
	}
	if (!*at.path)
		return empty_top(c, place, e);
	if (commit_mount(&its, old, at.path, e) || commit_parent(&up, &name, at, e) ||
		commit_mount(&above, up, at.path, e))
		return e->code;
	if (is_top(&its, &above))
		return empty_top(c, place, e);
	if (fstat(old, &st))
		return err_sys(e, "%s", at.path);
	const size_t len = name > at.path ? (size_t)(name - at.path) - 1 : 0;
	const char *above_path = arena_copy(c->arena, (struct str){ at.path, len });
	if (commit_new_item(&item, c, place, e) ||
		commit_note_flags(c, item->device, item->path, old, e) ||
		commit_note_flags(c, item->device, above_path, up, e))
		return e->code;
	item->kind = JOURNAL_DIRECTORY;
	item->existed = true;
	item->old_inode = st.st_ino;
	if (commit_free_name(item, c, e))
		return e->code;
	c->journal.n_items++;
	return 0;
}

int commit_put_gone(struct commit *c, const struct journal_item *i, struct err *e)
{
	struct commit_spot at, kept;
	enum commit_is is;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	if (is == COMMIT_NEW)
		return 0;
	return is == COMMIT_OLD ? commit_move(c, at, kept, RENAME_NOREPLACE, e)
				: commit_other(i, e);
}

/* Who came to its place since is kept, too, also where nobody was.  The two change places, so that
 * there is always one. */
int commit_put_gone_back(struct commit *c, const struct journal_item *i, struct err *e)
{
	struct commit_spot at, kept, to;
	enum commit_is is;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_kept_at(&kept, c, i, e) || commit_rolled_back(&to, c, at, e))
		return e->code;
	if (is != COMMIT_OLD && is != COMMIT_NEW)
		return commit_other(i, e);
	const bool has_come = is == COMMIT_NEW && commit_exists(at);
	if (!i->existed)
		return has_come ? commit_move(c, at, to, RENAME_NOREPLACE, e) : 0;
	if (has_come ? commit_swap(c, kept, at, to, e)
		     : is == COMMIT_NEW && commit_move(c, kept, at, RENAME_NOREPLACE, e))
		return e->code;
	/* After an exchange the one that came has the old one's name. */
	return commit_exists(kept) ? commit_move(c, kept, to, RENAME_NOREPLACE, e) : 0;
}
