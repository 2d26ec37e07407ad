/* A directory that does not fit beside its successor: both lie on another file system, the old one
 * as a copy, and there is an instant at which neither is in place.  etcd is fenced by then.
 *
 *   staging      STAGED, and a copy of the old one beside it, proved; nothing is touched
 *   forwards     the copy gets its name KEPT; the old one is renamed to PATH.etcd-rescue-out and
 *                deleted; STAGED is copied to PATH.etcd-rescue-in, proved, renamed to PATH
 *   backwards    what is at PATH is copied beside KEPT, proved, and goes the same way; KEPT is
 *                copied to PATH.etcd-rescue-in, proved, renamed to PATH, and deleted
 *
 * The inode of what gets a name is in the journal before it has it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "target/commit_part.h"
#include "target/file.h"

#define OLD_COPY "old-member"

static const char *below(const struct commit *c, const char *dir, const char *name)
{
	return arena_print(c->arena, "%s%s%s", dir, *dir ? "/" : "", name);
}

static struct commit_spot suffixed(struct commit *c, struct commit_spot at, const char *suffix)
{
	return (struct commit_spot){ at.root, arena_print(c->arena, "%s%s", at.path, suffix) };
}

/* Where the copy of the old one waits: in the stage, so that it goes with it. */
static struct commit_spot copy_at(
	struct commit *c, const struct journal_item *i, struct commit_spot staged)
{
	const char *end = strstr(i->staged, COMMIT_STAGE "/");
	const size_t len = end ? (size_t)(end - i->staged) + strlen(COMMIT_STAGE) : 0;

	return (struct commit_spot){ staged.root,
		arena_print(c->arena, "%.*s/" OLD_COPY, (int)len, i->staged) };
}

static int prove(
	struct commit *c, struct commit_spot at, const char *want, bool drop, struct err *e)
{
	const struct digest_way way = {
		.drop = drop, .listener = c->listener, .step = "read-back"
	};
	char hex[DIGEST_HEX];

	if (digest_directory(hex, NULL, at.root, at.path, &way, e))
		return e->code;
	return strcmp(hex, want)
		       ? err_set(e, ERR_MISMATCH,
				 "%s is not what it was when the restore was staged", at.path)
		       : 0;
}

static int free_names(struct journal_item *item, struct commit *c, const struct commit_place *aside,
	struct err *e)
{
	const char *slash = strrchr(item->path, '/'), *name = slash ? slash + 1 : item->path;

	for (int n = 1; n < COMMIT_NAMES_TRIED; n++) {
		char more[16] = "";
		struct commit_spot at;
		if (n > 1)
			snprintf(more, sizeof more, "-%d", n);
		item->kept = below(c, aside->path,
			arena_print(c->arena, "%s.before-%s%s", name, commit_short(c), more));
		if (commit_kept_at(&at, c, item, e))
			return e->code;
		if (!commit_exists(at))
			return 0;
	}
	return err_set(
		e, ERR_DECLINED, "%s has too many old copies; etcd-rescue forget", item->path);
}

int commit_size(
	uint64_t *bytes, const struct commit *c, const struct commit_place *place, struct err *e)
{
	struct commit_spot at;

	*bytes = 0;
	return commit_spot(&at, c, place->device, place->path, e) || commit_measure(bytes, at, e)
		       ? e->code
		       : 0;
}

int commit_add_moved(struct commit *c, const struct commit_place *place, const char *staged,
	const struct commit_place *aside, struct err *e)
{
	struct journal *j = &c->journal;
	struct commit_spot at, from;
	CLOSE_FD int old = -1, new = -1, above = -1;
	char hex[DIGEST_HEX];
	const struct digest_way way = { .go_on = c->stopped, .ctx = c->ctx };
	const char *name;

	if (j->phase != JOURNAL_INTENT)
		return err_set(e, ERR_BUG, "staged without a begin");
	if (j->n_items == JOURNAL_ITEMS_MAX)
		return err_set(
			e, ERR_DECLINED, "more than %d things to be changed", JOURNAL_ITEMS_MAX);
	struct journal_item *item = &j->items[j->n_items];
	*item = (struct journal_item){ .kind = JOURNAL_MOVED,
		.device = arena_copy(c->arena, str_from(place->device)),
		.path = arena_copy(c->arena, str_from(place->path)),
		.elsewhere = arena_copy(c->arena, str_from(aside->device)),
		.staged = arena_copy(c->arena, str_from(staged)),
		.existed = true };
	if (commit_at(&at, c, item, e) || commit_staged_at(&from, c, item, e) ||
		free_names(item, c, aside, e) || commit_parent(&above, &name, at, e) ||
		root_open_at(&old, at.root, at.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e) ||
		root_open_at(&new, from.root, from.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e) ||
		commit_note_flags(c, item->device, item->path, old, e) ||
		commit_inode(&item->old_inode, at, e) ||
		commit_like(new, old, above, item->path, e))
		return e->code;
	event_step(c->listener, "move", "the old member is copied to the other file system");
	const struct commit_spot copy = copy_at(c, item, from);
	if (digest_directory(hex, NULL, at.root, at.path, &way, e) || commit_copy(c, at, copy, e) ||
		prove(c, copy, hex, true, e))
		return e->code;
	item->before = arena_copy(c->arena, str_from(hex));
	j->n_items++;
	return 0;
}

/* The way in, last of all by one rename, with the inode in the journal before. */
static int bring(struct commit *c, struct journal_item *i, struct commit_spot from,
	struct commit_spot at, bool back, struct err *e)
{
	const struct commit_spot in = suffixed(c, at, COMMIT_SUFFIX "-in");
	uint64_t inode;

	if (commit_copy(c, from, in, e) || prove(c, in, back ? i->before : i->after, true, e) ||
		commit_inode(&inode, in, e))
		return e->code;
	*(back ? &i->old_inode : &i->new_inode) = inode;
	if (back)
		i->new_inode = 0;
	return commit_save(c, c->journal.phase, e) || commit_move(c, in, at, RENAME_NOREPLACE, e)
		       ? e->code
		       : 0;
}

/* Only once there is a proved copy of it. */
static int clear(struct commit *c, struct commit_spot at, struct commit_spot copy, struct err *e)
{
	const struct commit_spot out = suffixed(c, at, COMMIT_SUFFIX "-out");

	if (!commit_exists(copy))
		return err_set(e, ERR_DECLINED, "%s is not there any more, so %s stays", copy.path,
			at.path);
	if (commit_exists(at) && commit_move(c, at, out, RENAME_NOREPLACE, e))
		return e->code;
	if (c->watch && c->watch(c->ctx, "remove", e))
		return e->code;
	return commit_remove(NULL, out, e);
}

static struct journal_item *own(struct commit *c, const struct journal_item *i)
{
	return &c->journal.items[i - c->journal.items];
}

int commit_put_moved(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, staged, kept;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_staged_at(&staged, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (is == COMMIT_NEW)
		return 0;
	const struct commit_spot copy = copy_at(c, i, staged);
	if (is == COMMIT_OLD && prove(c, at, i->before, false, e))
		return e->code;
	if (commit_exists(copy) && commit_move(c, copy, kept, RENAME_NOREPLACE, e))
		return e->code;
	return clear(c, at, kept, e) || bring(c, own(c, i), staged, at, false, e) ? e->code : 0;
}

/* PATH/member.before-<8>[-n] and PATH/member.rolled-back-<8>[-n]. */
static struct commit_spot twin(struct commit *c, struct commit_spot kept)
{
	const char *end = strstr(kept.path, ".before-");

	while (end && strstr(end + 1, ".before-"))
		end = strstr(end + 1, ".before-");
	return (struct commit_spot){ kept.root,
		arena_print(c->arena, "%.*s.rolled-back-%s", (int)(end - kept.path), kept.path,
			end + strlen(".before-")) };
}

/* What etcd has written since is kept, too. */
static int keep_new(struct commit *c, struct commit_spot at, struct commit_spot to, struct err *e)
{
	const struct commit_spot part = suffixed(c, to, COMMIT_SUFFIX);
	const struct digest_way way = { 0 };
	char hex[DIGEST_HEX];

	if (commit_exists(to))
		return 0;
	if (digest_directory(hex, NULL, at.root, at.path, &way, e) || commit_copy(c, at, part, e) ||
		prove(c, part, hex, true, e))
		return e->code;
	return commit_move(c, part, to, RENAME_NOREPLACE, e);
}

int commit_put_moved_back(struct commit *c, const struct journal_item *i, struct err *e)
{
	enum commit_is is;
	struct commit_spot at, staged, kept;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e) ||
		commit_staged_at(&staged, c, i, e) || commit_kept_at(&kept, c, i, e))
		return e->code;
	if (is == COMMIT_OTHER)
		return commit_other(i, e);
	if (is == COMMIT_NEW) {
		const struct commit_spot to = twin(c, kept);
		if (keep_new(c, at, to, e) || clear(c, at, to, e))
			return e->code;
	}
	if (is != COMMIT_OLD && (clear(c, at, kept, e) || bring(c, own(c, i), kept, at, true, e)))
		return e->code;
	/* It is in place, and was proved. */
	return commit_remove(NULL, kept, e);
}
