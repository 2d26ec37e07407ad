/* The same items backwards. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"

static int fences(struct commit *c, bool up, bool back, struct err *e)
{
	for (size_t n = c->journal.n_items; n-- > 0;) {
		const struct journal_item *i = &c->journal.items[n];
		if (commit_is_fence(i) &&
			(up ? commit_fence(c, i, back, e) : commit_unfence(c, i, back, e)))
			return e->code;
	}
	return 0;
}

/* Nothing but fences has moved yet: all that is new is where the commit put it. */
static bool is_whole(const struct commit *c)
{
	for (size_t n = 0; n < c->journal.n_items; n++) {
		const struct journal_item *i = &c->journal.items[n];
		struct err none = { 0 };
		enum commit_is is;
		if (commit_is_fence(i))
			continue;
		if (commit_look(&is, c, i, &none))
			return false;
		/* What the first boot did with its own is none of the rollback's. */
		if (is != COMMIT_NEW && !((i->passing || i->held) && is == COMMIT_OLD))
			return false;
	}
	return true;
}

/* Somebody still uses the directories: the fence goes away again, and the new state serves on. */
static int call_off(struct commit *c, struct err *e)
{
	const struct err why = *e;

	if (fences(c, false, false, e) || commit_lock(c, e) || commit_sync_all(c, e) ||
		commit_save(c, JOURNAL_COMMITTED, e))
		return err_wrap(e, "%s; taking the fence away again", why.text);
	c->changed = false;
	*e = why;
	return e->code;
}

static int put_back(struct commit *c, const struct journal_item *i, struct err *e)
{
	return i->kind == JOURNAL_DIRECTORY  ? commit_put_directory_back(c, i, e)
	       : i->kind == JOURNAL_MOVED    ? commit_put_moved_back(c, i, e)
	       : i->kind == JOURNAL_CONTENTS ? commit_put_contents_back(c, i, e)
					     : commit_put_file_back(c, i, e);
}

static int items_back(struct commit *c, struct err *e)
{
	for (int directories = 0; directories < 2; directories++) {
		for (size_t n = c->journal.n_items; n-- > 0;) {
			const struct journal_item *i = &c->journal.items[n];
			if (!commit_is_fence(i) && (i->kind != JOURNAL_FILE) == directories &&
				put_back(c, i, e))
				return e->code;
		}
	}
	return 0;
}

int commit_rollback(struct commit *c, struct err *e)
{
	switch (c->journal.phase) {
	case JOURNAL_NONE:
		return err_set(e, ERR_NOTFOUND, "no restore has been done here");
	case JOURNAL_INTENT:
	case JOURNAL_PREPARED:
		return commit_abandon(c, e);
	case JOURNAL_ROLLED_BACK:
		return commit_tidy(c, &c->journal, e);
	default:
		break;
	}
	if (c->journal.forgotten)
		return err_set(e, ERR_DECLINED,
			"what was there before the restore has been deleted by etcd-rescue forget");
	event_step(c->listener, "rollback", "the old state takes its place again");
	if (commit_check(c, e) || commit_save(c, JOURNAL_ROLLING_BACK, e) || commit_unlock(c, e) ||
		fences(c, true, true, e))
		return e->code;
	const bool whole = is_whole(c);
	if (c->idle && c->idle(c->ctx, e))
		return whole ? call_off(c, e) : e->code;
	if (items_back(c, e) || fences(c, false, true, e) || commit_close(c, e) ||
		commit_sync_all(c, e) || commit_save(c, JOURNAL_ROLLED_BACK, e))
		return e->code;
	event_done(c->listener, "rollback", "the old state is in place again");
	commit_tidy_after(c);
	return 0;
}

/* bbolt locks with flock(2); other builds of etcd with fcntl(2). */
static bool is_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (flock(fd, LOCK_EX | LOCK_NB))
		return true;
	flock(fd, LOCK_UN);
	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

int commit_in_use(const char **what, const struct commit *c, struct err *e)
{
	*what = NULL;
	for (size_t n = 0; n < c->journal.n_items && !*what; n++) {
		const struct journal_item *i = &c->journal.items[n];
		struct commit_spot at;
		struct err none = { 0 };
		CLOSE_FD int fd = -1;
		if (i->kind != JOURNAL_DIRECTORY && i->kind != JOURNAL_MOVED)
			continue;
		if (commit_at(&at, c, i, e))
			return e->code;
		const char *db = arena_print(c->arena, "%s/snap/db", i->path);
		if (!root_open_at(&fd, at.root, db, O_RDWR | O_NOFOLLOW | O_NONBLOCK, &none) &&
			is_locked(fd))
			*what = db;
	}
	return 0;
}
