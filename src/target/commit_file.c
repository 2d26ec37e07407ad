/* Files and fences, forwards and backwards.  Each begins with a look at what is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"
#include "target/file.h"

enum { DROPIN_MAX = 65536 };

/* What is away in `back` direction: the new one is kept aside, the old one goes home. */
static int put_away(struct commit *c, const struct journal_item *i, const char *sum, bool to_kept,
	struct err *e)
{
	struct commit_spot at, to;

	if (commit_at(&at, c, i, e) ||
		(to_kept ? commit_kept_at(&to, c, i, e) : commit_aside(&to, c, i, sum, e)))
		return e->code;
	return commit_carry(c, at, to, e);
}

/* The old one is kept, the new one waits, and only then the place is empty. */
static int hold(
	struct commit *c, const struct journal_item *i, struct commit_spot at, struct err *e)
{
	const struct commit_spot held = commit_held_at(c, i);
	struct commit_spot kept, staged;

	if (i->existed && (commit_kept_at(&kept, c, i, e) || commit_second(c, at, kept, e)))
		return e->code;
	if (!commit_exists(held) && (commit_staged_at(&staged, c, i, e) ||
					    commit_bring(c, staged, held, RENAME_NOREPLACE, e)))
		return e->code;
	return i->existed ? commit_drop(c, at, e) : 0;
}

/* The directory of what the first boot would take away: only ours, and when nobody else uses it. */
static int drop_made(
	struct commit *c, const struct journal_item *i, struct commit_spot at, struct err *e)
{
	const char *slash = strrchr(at.path, '/');
	const char *name;
	CLOSE_FD int dir = -1;

	if (!slash || i->existed || !i->passing)
		return 0;
	at.path = arena_print(c->arena, "%.*s", (int)(slash - at.path), at.path);
	if (!str_ends(str_from(at.path), STR(".service.d")) || !commit_exists(at))
		return 0;
	if (commit_parent(&dir, &name, at, e) || (c->watch && c->watch(c->ctx, "rmdir", e)))
		return e->code;
	return !unlinkat(dir, name, AT_REMOVEDIR) && fsync(dir) ? err_sys(e, "%s", at.path) : 0;
}

/* From where it waits; the old one first. */
static int unhold(
	struct commit *c, const struct journal_item *i, struct commit_spot at, struct err *e)
{
	const struct commit_spot held = commit_held_at(c, i);
	struct commit_spot kept;

	if (i->existed && !commit_exists(at) &&
		(commit_kept_at(&kept, c, i, e) || commit_bring(c, kept, at, RENAME_NOREPLACE, e)))
		return e->code;
	return commit_drop(c, held, e);
}

int commit_put_file(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, kept, staged;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e))
		return e->code;
	if (i->held && is == COMMIT_OLD)
		return hold(c, i, at, e);
	/* The first boot puts another in its place. */
	if (is == COMMIT_SAME && i->changing && i->existed)
		return commit_kept_at(&kept, c, i, e) || commit_second(c, at, kept, e) ? e->code
										       : 0;
	if (is == COMMIT_NEW || is == COMMIT_SAME)
		return 0;
	if (is != COMMIT_OLD)
		return commit_other(i, e);
	if (!i->after)
		return put_away(c, i, i->before, true, e);
	if (i->existed && (commit_kept_at(&kept, c, i, e) || commit_second(c, at, kept, e)))
		return e->code;
	if (commit_staged_at(&staged, c, i, e))
		return e->code;
	return i->existed ? commit_move(c, staged, at, 0, e)
			  : commit_bring(c, staged, at, RENAME_NOREPLACE, e);
}

int commit_put_file_back(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, kept, aside;
	char sum[DIGEST_HEX];

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) || commit_sum(sum, at, e))
		return e->code;
	if (i->held && (is == COMMIT_OLD || is == COMMIT_NEW) &&
		commit_exists(commit_held_at(c, i)))
		return unhold(c, i, at, e);
	/* Perhaps cut when the file was gone, and its directory not yet. */
	if (is == COMMIT_OLD || is == COMMIT_SAME)
		return drop_made(c, i, at, e);
	if (is != COMMIT_NEW)
		return commit_other(i, e);
	if (i->passing && (!i->existed || commit_exists(at)) &&
		(commit_drop(c, at, e) || drop_made(c, i, at, e)))
		return e->code;
	if (i->passing)
		return i->existed ? commit_kept_at(&kept, c, i, e) ||
						    commit_bring(c, kept, at, RENAME_NOREPLACE, e)
					    ? e->code
					    : 0
				  : 0;
	if (!i->existed)
		return put_away(c, i, sum, false, e);
	if (commit_kept_at(&kept, c, i, e))
		return e->code;
	if (!i->after && *sum && put_away(c, i, sum, false, e))
		return e->code;
	if (!i->after)
		return commit_bring(c, kept, at, RENAME_NOREPLACE, e);
	if (commit_aside(&aside, c, i, sum, e) || commit_second(c, at, aside, e))
		return e->code;
	return commit_bring(c, kept, at, 0, e);
}

/* The drop-in's text, from where it is staged or, once it has been used, kept. */
static int dropin_up(struct commit *c, const struct journal_item *i, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(DROPIN_MAX);
	CLOSE_FD int dir = -1;
	char parent[COMMIT_PATH];
	const char *name;
	struct commit_spot at, kept, staged;
	enum commit_is is;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	if (is == COMMIT_NEW)
		return 0;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (!commit_exists(kept) &&
		(commit_staged_at(&staged, c, i, e) || commit_carry(c, staged, kept, e)))
		return e->code;
	const char *slash = strrchr(at.path, '/');
	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - at.path) : 0, at.path);
	if (file_read(&text, kept.root, kept.path, e) ||
		(*parent && target_make_directories(at.root, parent, 0755, e)) ||
		commit_parent(&dir, &name, at, e) || (c->watch && c->watch(c->ctx, "drop-in", e)))
		return e->code;
	c->changed = true;
	if (file_replace(dir, name, buf_span(&text), 0644, e))
		return err_wrap(e, "%s", parent);
	CLOSE_FD int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", at.path);
	return target_label_like(fd, dir, at.path, e);
}

static int dropin_down(struct commit *c, const struct journal_item *i, struct err *e)
{
	struct commit_spot at;
	enum commit_is is;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e))
		return e->code;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (is != COMMIT_NEW)
		return 0;
	if (commit_drop(c, at, e))
		return e->code;
	/* The directory that was made for it: only when nobody else uses it. */
	const char *slash = strrchr(at.path, '/');
	CLOSE_FD int dir = -1;
	const char *name;
	if (i->existed || !slash)
		return 0;
	at.path = arena_print(c->arena, "%.*s", (int)(slash - at.path), at.path);
	if (commit_parent(&dir, &name, at, e))
		return e->code;
	return !unlinkat(dir, name, AT_REMOVEDIR) && fsync(dir) ? err_sys(e, "%s", at.path) : 0;
}

/* What the first boot has put in place waits again, under a name of its own: a rollback that is
 * called off puts it back. */
static int fence_held(
	struct commit *c, const struct journal_item *i, enum commit_is is, bool back, struct err *e)
{
	struct commit_spot at;

	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (is == COMMIT_OLD && !back && i->existed)
		return put_away(c, i, i->before, true, e);
	if (is != COMMIT_NEW || !back)
		return 0;
	if (commit_at(&at, c, i, e))
		return e->code;
	return commit_exists(at) ? commit_carry(c, at, commit_released_at(c, i), e) : 0;
}

/* Into where it waits, unless it was put in place before; backwards that goes, and the old one
 * comes home. */
static int unfence_held(struct commit *c, const struct journal_item *i, bool back, struct err *e)
{
	const struct commit_spot held = commit_held_at(c, i), released = commit_released_at(c, i);
	struct commit_spot at, staged, aside;
	char sum[DIGEST_HEX];
	enum commit_is is;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e))
		return e->code;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (!back && commit_exists(released))
		return commit_bring(c, released, at, RENAME_NOREPLACE, e);
	if (!back && is == COMMIT_NEW)
		return 0;
	if (!back)
		return commit_staged_at(&staged, c, i, e)
			       ? e->code
			       : commit_bring(c, staged, held, RENAME_NOREPLACE, e);
	if (i->existed && !commit_exists(at) &&
		(commit_kept_at(&staged, c, i, e) ||
			commit_bring(c, staged, at, RENAME_NOREPLACE, e)))
		return e->code;
	if (commit_exists(released) &&
		(commit_sum(sum, released, e) || commit_aside(&aside, c, i, sum, e) ||
			commit_carry(c, released, aside, e)))
		return e->code;
	return commit_exists(held) ? commit_drop(c, held, e) : 0;
}

int commit_fence(struct commit *c, const struct journal_item *i, bool back, struct err *e)
{
	char sum[DIGEST_HEX];
	struct commit_spot at;
	enum commit_is is;

	if (i->kind == JOURNAL_DROPIN)
		return dropin_up(c, i, e);
	if (commit_look(&is, c, i, e))
		return e->code;
	if (i->held)
		return fence_held(c, i, is, back, e);
	switch (is) {
	case COMMIT_SAME:
		/* One that is to be away before and after. */
		return i->before ? put_away(c, i, i->before, true, e) : 0;
	case COMMIT_OLD:
		/* Backwards it is home last, so all else is. */
		return back || !i->existed ? 0 : put_away(c, i, i->before, true, e);
	case COMMIT_NEW:
		/* Of one that is to be away another may be there. */
		if (!back || commit_at(&at, c, i, e) || commit_sum(sum, at, e))
			return back ? e->code : 0;
		return *sum ? put_away(c, i, sum, false, e) : 0;
	case COMMIT_MISSING:
		return 0;
	default:
		return commit_other(i, e);
	}
}

/* One that does not change comes back from where it was put. */
static int home(struct commit_spot *from, struct commit *c, const struct journal_item *i, bool back,
	struct err *e)
{
	if (back || !strcmp(i->staged, i->kept ? i->kept : ""))
		return commit_kept_at(from, c, i, e);
	if (commit_staged_at(from, c, i, e))
		return e->code;
	if (commit_exists(*from))
		return 0;
	/* It has been in place already: then another round, or a rollback that was called off,
	 * has put it away. */
	return i->before && i->after && !strcmp(i->before, i->after)
		       ? commit_kept_at(from, c, i, e)
		       : commit_aside(from, c, i, i->after, e);
}

int commit_unfence(struct commit *c, const struct journal_item *i, bool back, struct err *e)
{
	const char *want = back ? i->before : i->after;
	struct commit_spot at, from;
	char sum[DIGEST_HEX];

	if (i->kind == JOURNAL_DROPIN)
		return dropin_down(c, i, e);
	if (i->held)
		return unfence_held(c, i, back, e);
	if (commit_at(&at, c, i, e) || commit_sum(sum, at, e))
		return e->code;
	if (!strcmp(sum, want ? want : ""))
		return 0;
	if (*sum)
		return commit_other(i, e);
	return home(&from, c, i, back, e) || commit_bring(c, from, at, RENAME_NOREPLACE, e)
		       ? e->code
		       : 0;
}
