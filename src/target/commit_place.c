/* Where the things of an item are, and whose they are at the moment. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"
#include "target/file.h"

/* linux/stat.h, which does not go together with the C library's. */
enum { ASIDE_MAX = 1000, MASK_MNT_ID = 0x1000, ATTR_MOUNT_ROOT = 0x2000, AT_MNT_ID = 0x90 };

int commit_spot(struct commit_spot *spot, const struct commit *c, const char *device,
	const char *path, struct err *e)
{
	for (size_t i = 0; i < c->n_roots; i++) {
		if (!strcmp(c->roots[i].device, device)) {
			*spot = (struct commit_spot){ c->roots[i].root, path };
			return 0;
		}
	}
	return err_set(e, ERR_NOTFOUND, "%s, with %s, is not there; attach or unlock it", device,
		*path ? path : "a file system of the restore");
}

bool commit_is_tree(const struct journal_item *i)
{
	return i->kind == JOURNAL_DIRECTORY || i->kind == JOURNAL_CONTENTS ||
	       i->kind == JOURNAL_MOVED;
}

bool commit_is_gone(const struct journal_item *i)
{
	return i->kind == JOURNAL_DIRECTORY && !i->staged;
}

bool commit_is_fence(const struct journal_item *i)
{
	return i->kind == JOURNAL_FENCE || i->kind == JOURNAL_DROPIN;
}

int commit_at(struct commit_spot *spot, const struct commit *c, const struct journal_item *i,
	struct err *e)
{
	return commit_spot(spot, c, i->device, i->path, e);
}

int commit_staged_at(struct commit_spot *spot, const struct commit *c, const struct journal_item *i,
	struct err *e)
{
	const size_t len = strlen(c->state);

	if (i->kind == JOURNAL_MOVED)
		return commit_spot(spot, c, i->elsewhere, i->staged, e);
	if (!commit_is_tree(i) && !strncmp(i->staged, c->state, len) && i->staged[len] == '/')
		return commit_spot(spot, c, c->roots[0].device, i->staged, e);
	return commit_spot(spot, c, i->device, i->staged, e);
}

int commit_kept_at(struct commit_spot *spot, const struct commit *c, const struct journal_item *i,
	struct err *e)
{
	const bool beside = commit_is_tree(i);

	if (i->kind == JOURNAL_MOVED)
		return commit_spot(spot, c, i->elsewhere, i->kept, e);
	return commit_spot(spot, c, beside ? i->device : c->roots[0].device, i->kept, e);
}

int commit_state(struct root *state, const struct commit *c, bool make, struct err *e)
{
	if (make && target_make_directories(c->roots[0].root, c->state, 0700, e))
		return e->code;
	return root_open_at(
		&state->fd, c->roots[0].root, c->state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e);
}

int commit_save(struct commit *c, enum journal_phase phase, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	if (commit_state(&state, c, true, e))
		return e->code;
	if (c->watch && c->watch(c->ctx, journal_phase_word(phase), e))
		return e->code;
	const enum journal_phase was = c->journal.phase;
	c->journal.phase = phase;
	c->journal.changed = time(NULL);
	if (!journal_write(&c->journal, &state,
		    phase <= JOURNAL_PREPARED ? JOURNAL_INTENT_NAME : JOURNAL_NAME, e))
		return 0;
	/* What is not on the disk is not so, whatever the caller says of it. */
	c->journal.phase = was;
	return e->code;
}

const char *commit_short(const struct commit *c)
{
	return arena_print(c->arena, "%.8s", c->journal.plan_id ? c->journal.plan_id : "00000000");
}

int commit_other(const struct journal_item *i, struct err *e)
{
	const bool kept = i->existed && i->kept;

	return err_set(e, ERR_DECLINED,
		"%s%s/%s is neither what it was before the restore nor what was restored; it is "
		"left alone: %s%s%s, or put back what was restored, then start again",
		i->device, *i->device ? ": " : "", i->path,
		kept         ? "put back what it was (once kept as /"
		: i->existed ? "put back what it was"
			     : "take it away",
		kept ? i->kept : "", kept ? ")" : "");
}

/* It is where it was, or where it went; who came to its place since is no matter. */
static int look_gone(enum commit_is *is, const struct commit *c, const struct journal_item *i,
	uint64_t inode, struct err *e)
{
	struct commit_spot kept;
	uint64_t away;

	if (commit_kept_at(&kept, c, i, e) || commit_inode(&away, kept, e))
		return e->code;
	*is = !i->existed                                    ? COMMIT_NEW
	      : inode == i->old_inode                        ? COMMIT_OLD
	      : away == i->old_inode || c->journal.forgotten ? COMMIT_NEW
							     : COMMIT_OTHER;
	return 0;
}

static int look_directory(
	enum commit_is *is, const struct commit *c, const struct journal_item *i, struct err *e)
{
	struct commit_spot at;
	uint64_t inode;

	if (commit_at(&at, c, i, e) || commit_inode(&inode, at, e))
		return e->code;
	if (commit_is_gone(i))
		return look_gone(is, c, i, inode, e);
	*is = !inode                                ? COMMIT_MISSING
	      : inode == i->new_inode               ? COMMIT_NEW
	      : i->existed && inode == i->old_inode ? COMMIT_OLD
						    : COMMIT_OTHER;
	return 0;
}

/* The names say how far it is: see commit_directory.c. */
static int look_contents(
	enum commit_is *is, const struct commit *c, const struct journal_item *i, struct err *e)
{
	struct commit_spot staged, kept;

	if (commit_staged_at(&staged, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	const struct commit_spot going = { staged.root,
		arena_print(c->arena, "%s.going", staged.path) };
	*is = commit_exists(staged)                         ? COMMIT_OLD
	      : commit_exists(going)                        ? COMMIT_GOING
	      : commit_exists(kept) || c->journal.forgotten ? COMMIT_NEW
							    : COMMIT_MISSING;
	return 0;
}

struct commit_spot commit_held_at(const struct commit *c, const struct journal_item *i)
{
	return (struct commit_spot){ c->roots[0].root, i->held };
}

struct commit_spot commit_released_at(const struct commit *c, const struct journal_item *i)
{
	return (struct commit_spot){ c->roots[0].root,
		arena_print(c->arena, "%s.released", i->held) };
}

static bool same_sum(const char *sum, const char *want)
{
	return !strcmp(sum, want ? want : "");
}

/* Nobody but the first boot writes to what is committed. */
static bool may_differ(const struct commit *c, const struct journal_item *i)
{
	return i->changing && c->journal.phase > JOURNAL_PREPARED;
}

/* It is away before anything else is, so the old one's copy tells the same from the same. */
static int look_held_fence(enum commit_is *is, const struct commit *c, const struct journal_item *i,
	const char *sum, const char *held, struct err *e)
{
	const bool same = i->existed && same_sum(i->before, i->after);
	struct commit_spot kept;

	if (i->existed && commit_kept_at(&kept, c, i, e))
		return e->code;
	if (!*sum)
		*is = *held && (same_sum(held, i->after) || may_differ(c, i)) ? COMMIT_NEW
		      : *held                                                 ? COMMIT_OTHER
		      : i->existed || commit_exists(commit_released_at(c, i)) ? COMMIT_MISSING
									      : COMMIT_OLD;
	else if (i->existed && same_sum(sum, i->before) && !(same && commit_exists(kept)))
		*is = COMMIT_OLD;
	else
		*is = same_sum(sum, i->after) || may_differ(c, i) ? COMMIT_NEW : COMMIT_OTHER;
	return 0;
}

/* It waits, or the first boot has put it in place; where old and new are the same, the latter
 * looks like the old state, and is as good. */
static int look_held(
	enum commit_is *is, const struct commit *c, const struct journal_item *i, struct err *e)
{
	char sum[DIGEST_HEX], held[DIGEST_HEX];
	struct commit_spot at;

	if (commit_at(&at, c, i, e) || commit_sum(sum, at, e) ||
		commit_sum(held, commit_held_at(c, i), e))
		return e->code;
	if (i->kind == JOURNAL_FENCE)
		return look_held_fence(is, c, i, sum, held, e);
	*is = !*sum && same_sum(held, i->after) ? COMMIT_NEW
	      : same_sum(sum, i->before)        ? COMMIT_OLD
	      : same_sum(sum, i->after)         ? COMMIT_NEW
						: COMMIT_OTHER;
	return 0;
}

static int look_file(
	enum commit_is *is, const struct commit *c, const struct journal_item *i, struct err *e)
{
	char sum[DIGEST_HEX];
	struct commit_spot at;

	if (i->held)
		return look_held(is, c, i, e);
	if (commit_at(&at, c, i, e) || commit_sum(sum, at, e))
		return e->code;
	const bool is_old = *sum ? i->before && !strcmp(sum, i->before) : !i->before;
	const bool is_new =
		*sum ? (i->after && !strcmp(sum, i->after)) || (!is_old && may_differ(c, i))
		     : !i->after || (i->passing && i->before);
	*is = is_old && is_new ? COMMIT_SAME
	      : is_old         ? COMMIT_OLD
	      : is_new         ? COMMIT_NEW
	      : *sum           ? COMMIT_OTHER
			       : COMMIT_MISSING;
	return 0;
}

int commit_look(
	enum commit_is *is, const struct commit *c, const struct journal_item *i, struct err *e)
{
	if (i->kind == JOURNAL_DIRECTORY || i->kind == JOURNAL_MOVED)
		return look_directory(is, c, i, e);
	if (i->kind == JOURNAL_CONTENTS)
		return look_contents(is, c, i, e);
	if (look_file(is, c, i, e))
		return e->code;
	/* A plain file is never between the two: only a fence is away for a while. */
	if (*is == COMMIT_MISSING && i->kind == JOURNAL_FILE)
		*is = COMMIT_OTHER;
	return 0;
}

int commit_check(const struct commit *c, struct err *e)
{
	for (size_t n = 0; n < c->journal.n_items; n++) {
		enum commit_is is;
		if (commit_look(&is, c, &c->journal.items[n], e))
			return e->code;
		if (is == COMMIT_OTHER)
			return commit_other(&c->journal.items[n], e);
	}
	return 0;
}

int commit_aside(struct commit_spot *spot, struct commit *c, const struct journal_item *i,
	const char *sum, struct err *e)
{
	for (int n = 1; n < ASIDE_MAX; n++) {
		char is[DIGEST_HEX], more[16] = "";
		if (n > 1)
			snprintf(more, sizeof more, "-%d", n);
		*spot = (struct commit_spot){ c->roots[0].root,
			arena_print(c->arena, "%s/rolled-back-%s%s/%s", c->state, commit_short(c),
				more, i->path) };
		if (commit_sum(is, *spot, e))
			return e->code;
		if (!*is || !strcmp(is, sum))
			return 0;
	}
	return err_set(e, ERR_DECLINED, "%s has too many rolled-back copies", i->path);
}

int commit_mount(struct commit_mount *mount, int fd, const char *path, struct err *e)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | MASK_MNT_ID, &st))
		return err_sys(e, "%s", path);
	memcpy(&mount->id, (const uint8_t *)&st + AT_MNT_ID, sizeof mount->id);
	/* An emulator of another processor passes the mask on, and nothing else that is new. */
	if (!(st.stx_mask & MASK_MNT_ID) || !mount->id)
		mount->id = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	mount->top = st.stx_attributes & ATTR_MOUNT_ROOT;
	return 0;
}

static const char *cut(struct commit *c, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_print(c->arena, "%.*s", slash ? (int)(slash - path) : 0, path);
}

int commit_above(const char **path, struct commit *c, struct commit_spot at, const char *suffix,
	struct err *e)
{
	const char *slash = strrchr(at.path, '/'), *name = slash ? slash + 1 : at.path;
	const char *dir = cut(c, at.path);
	struct commit_mount its, above;
	struct err none = { 0 };
	CLOSE_FD int fd = -1, up = -1;
	bool is_near = true;

	/* The nearest directory that there is; when it is not the file's own, it will do. */
	while (root_open_at(&fd, at.root, *dir ? dir : ".", O_RDONLY | O_DIRECTORY, &none)) {
		if (none.code != ERR_NOTFOUND || !*dir) {
			*e = none;
			return e->code;
		}
		dir = cut(c, dir);
		is_near = false;
	}
	if (is_near && *dir) {
		const char *parent = cut(c, dir);
		if (root_open_at(&up, at.root, *parent ? parent : ".", O_RDONLY | O_DIRECTORY, e) ||
			commit_mount(&its, fd, dir, e) || commit_mount(&above, up, parent, e))
			return e->code;
		if (its.id == above.id)
			dir = parent;
	}
	*path = arena_print(
		c->arena, "%s%s.%s" COMMIT_SUFFIX "%s", dir, *dir ? "/" : "", name, suffix);
	return 0;
}

int commit_sync_all(const struct commit *c, struct err *e)
{
	for (size_t i = 0; i < c->n_roots; i++) {
		CLOSE_FD int fd = -1;
		if (root_open_at(&fd, c->roots[i].root, ".", O_RDONLY | O_DIRECTORY, e))
			return e->code;
		if (syncfs(fd))
			return err_sys(e, "syncing %s",
				*c->roots[i].device ? c->roots[i].device : "the file system");
	}
	return 0;
}
