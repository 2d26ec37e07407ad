/* Directories change places; what is in a mount's own top moves name by name.
 *
 * For the latter the names of three directories say how far it is, each changed by one rename:
 *
 *   forwards    STAGED is there          the old move from the top into KEPT
 *               STAGED.going             the new move from it to the top
 *               neither, but KEPT        done
 *   backwards   KEPT is there            the new move from the top into ROLLED-BACK
 *               KEPT.going               the old move from it to the top
 *               neither                  done
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "target/commit_part.h"
#include "target/file.h"

enum { ASIDE_MAX = 1000 };

int commit_rolled_back(
	struct commit_spot *to, struct commit *c, struct commit_spot at, struct err *e)
{
	for (int n = 1; n < ASIDE_MAX; n++) {
		char more[16] = "";
		if (n > 1)
			snprintf(more, sizeof more, "-%d", n);
		*to = (struct commit_spot){ at.root, arena_print(c->arena, "%s.rolled-back-%s%s",
							     at.path, commit_short(c), more) };
		if (!commit_exists(*to))
			return 0;
	}
	return err_set(e, ERR_DECLINED, "%s has too many rolled-back copies", at.path);
}

int commit_swap(struct commit *c, struct commit_spot in, struct commit_spot at,
	struct commit_spot out, struct err *e)
{
	struct err why = { 0 };

	if (!commit_move(c, in, at, RENAME_EXCHANGE, &why))
		return 0;
	if (why.errnum != EINVAL && why.errnum != EXDEV && why.errnum != ENOSYS) {
		*e = why;
		return e->code;
	}
	return commit_move(c, at, out, RENAME_NOREPLACE, e) ||
			       commit_move(c, in, at, RENAME_NOREPLACE, e)
		       ? e->code
		       : 0;
}

static int expect(uint64_t inode, struct commit_spot at, struct err *e)
{
	uint64_t is;

	if (commit_inode(&is, at, e))
		return e->code;
	if (is == inode)
		return 0;
	return err_set(e, ERR_DECLINED, "%s %s", at.path,
		is ? "is not what the journal says" : "is not there any more");
}

int commit_put_directory(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, staged, kept = { 0 };
	uint64_t inode;

	if (commit_is_gone(i))
		return commit_put_gone(c, i, e);
	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_staged_at(&staged, c, i, e) || (i->kept && commit_kept_at(&kept, c, i, e)))
		return e->code;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (is == COMMIT_OLD &&
		(expect(i->new_inode, staged, e) || commit_swap(c, staged, at, kept, e)))
		return e->code;
	if (is == COMMIT_MISSING &&
		((i->existed && expect(i->old_inode, kept, e)) || expect(i->new_inode, staged, e) ||
			commit_move(c, staged, at, RENAME_NOREPLACE, e)))
		return e->code;
	/* After an exchange the old one has the staged name. */
	if (commit_inode(&inode, staged, e))
		return e->code;
	return i->existed && inode == i->old_inode
		       ? commit_move(c, staged, kept, RENAME_NOREPLACE, e)
		       : 0;
}

int commit_put_directory_back(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, staged, kept = { 0 }, to;
	uint64_t inode;

	if (commit_is_gone(i))
		return commit_put_gone_back(c, i, e);
	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_staged_at(&staged, c, i, e) || commit_rolled_back(&to, c, at, e) ||
		(i->kept && commit_kept_at(&kept, c, i, e)))
		return e->code;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (!i->existed)
		return is == COMMIT_NEW ? commit_move(c, at, to, RENAME_NOREPLACE, e) : 0;
	/* The commit was cut between the exchange and the old one's name. */
	if (commit_inode(&inode, staged, e) ||
		(inode == i->old_inode && commit_move(c, staged, kept, RENAME_NOREPLACE, e)))
		return e->code;
	if (is != COMMIT_OLD && expect(i->old_inode, kept, e))
		return e->code;
	if (is == COMMIT_NEW && commit_swap(c, kept, at, to, e))
		return e->code;
	if (is == COMMIT_MISSING && commit_move(c, kept, at, RENAME_NOREPLACE, e))
		return e->code;
	if (commit_inode(&inode, kept, e))
		return e->code;
	return inode == i->new_inode ? commit_move(c, kept, to, RENAME_NOREPLACE, e) : 0;
}

bool commit_is_ours(const char *name)
{
	return !strcmp(name, "lost+found") || !strcmp(name, COMMIT_STAGE) ||
	       !strncmp(name, ".before-", 8) || !strncmp(name, ".rolled-back-", 13);
}

/* All that is in `from`, but what is ours, moves to `to`. */
static int pour(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e)
{
	struct names names = { 0 };
	CLOSE_FD int a = -1, b = -1;

	if (names_read(&names, c->arena, from.root, *from.path ? from.path : ".", e) ||
		root_open_at(
			&a, from.root, *from.path ? from.path : ".", O_RDONLY | O_DIRECTORY, e) ||
		root_open_at(&b, to.root, *to.path ? to.path : ".", O_RDONLY | O_DIRECTORY, e))
		return e->code;
	for (size_t i = 0; i < names.n; i++) {
		if (commit_is_ours(names.v[i]))
			continue;
		if (c->watch && c->watch(c->ctx, names.v[i], e))
			return e->code;
		c->changed = true;
		if (renameat2(a, names.v[i], b, names.v[i], RENAME_NOREPLACE))
			return err_sys(e, "%s/%s to %s", from.path, names.v[i], to.path);
	}
	return fsync(b) || fsync(a) ? err_sys(e, "%s", to.path) : 0;
}

static int make(struct commit *c, struct commit_spot at, struct commit_spot like, struct err *e)
{
	CLOSE_FD int dir = -1, new = -1, old = -1;
	const char *name;

	if (commit_parent(&dir, &name, at, e) || (c->watch && c->watch(c->ctx, "mkdir", e)))
		return e->code;
	c->changed = true;
	if (mkdirat(dir, name, 0700) && errno != EEXIST)
		return err_sys(e, "%s", at.path);
	if (root_open_at(&new, at.root, at.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e) ||
		root_open_at(
			&old, like.root, *like.path ? like.path : ".", O_RDONLY | O_DIRECTORY, e) ||
		target_copy_metadata(old, new, at.path, e))
		return e->code;
	return fsync(new) || fsync(dir) ? err_sys(e, "%s", at.path) : 0;
}

/* An empty one. */
static int drop_directory(struct commit *c, struct commit_spot at, struct err *e)
{
	CLOSE_FD int dir = -1;
	const char *name;

	if (commit_parent(&dir, &name, at, e) || (c->watch && c->watch(c->ctx, "rmdir", e)))
		return e->code;
	if (unlinkat(dir, name, AT_REMOVEDIR) || fsync(dir))
		return err_sys(e, "removing %s", at.path);
	return 0;
}

static struct commit_spot suffixed(struct commit *c, struct commit_spot at, const char *suffix)
{
	return (struct commit_spot){ at.root, arena_print(c->arena, "%s%s", at.path, suffix) };
}

/* KEPT is PATH/.before-<8>[-n]; with it goes PATH/.rolled-back-<8>[-n]. */
static struct commit_spot twin(struct commit *c, struct commit_spot kept)
{
	const char *last = strrchr(kept.path, '/');
	const char *name = last ? last + 1 : kept.path;

	return (struct commit_spot){ kept.root,
		arena_print(c->arena, "%.*s.rolled-back-%s", (int)(name - kept.path), kept.path,
			name + strlen(".before-")) };
}

int commit_put_contents(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, staged, kept;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_staged_at(&staged, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	const struct commit_spot going = suffixed(c, staged, ".going");
	if (is == COMMIT_OLD && (make(c, kept, at, e) || pour(c, at, kept, e) ||
					commit_move(c, staged, going, RENAME_NOREPLACE, e)))
		return e->code;
	if (is == COMMIT_MISSING)
		return commit_other(i, e);
	if (is == COMMIT_NEW)
		return 0;
	return pour(c, going, at, e) || drop_directory(c, going, e) ? e->code : 0;
}

int commit_put_contents_back(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, staged, kept;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_staged_at(&staged, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	const struct commit_spot going = suffixed(c, kept, ".going"), to = twin(c, kept);
	if (is == COMMIT_GOING && commit_put_contents(c, i, e))
		return e->code;
	if (is == COMMIT_OLD) {
		if (!commit_exists(kept))
			return 0;
		return pour(c, kept, at, e) || drop_directory(c, kept, e) ? e->code : 0;
	}
	if (commit_exists(kept) && (make(c, to, at, e) || pour(c, at, to, e) ||
					   commit_move(c, kept, going, RENAME_NOREPLACE, e)))
		return e->code;
	if (!commit_exists(going))
		return 0;
	return pour(c, going, at, e) || drop_directory(c, going, e) ? e->code : 0;
}
