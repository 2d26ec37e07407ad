/* Forwards: the steps between `prepared` and `committed`. */
#include <string.h>

#include "target/commit_part.h"

static int put(struct commit *c, const struct journal_item *i, struct err *e)
{
	return i->kind == JOURNAL_DIRECTORY  ? commit_put_directory(c, i, e)
	       : i->kind == JOURNAL_MOVED    ? commit_put_moved(c, i, e)
	       : i->kind == JOURNAL_CONTENTS ? commit_put_contents(c, i, e)
					     : commit_put_file(c, i, e);
}

static int go(struct commit *c, struct err *e)
{
	const struct journal *j = &c->journal;

	for (size_t i = 0; i < j->n_items; i++) {
		if (commit_is_fence(&j->items[i]) && commit_fence(c, &j->items[i], false, e))
			return e->code;
	}
	/* Directories first: the journal has them in the order they were added. */
	for (int files = 0; files < 2; files++) {
		for (size_t i = 0; i < j->n_items; i++) {
			if (!commit_is_fence(&j->items[i]) &&
				(j->items[i].kind == JOURNAL_FILE) == files &&
				put(c, &j->items[i], e))
				return e->code;
		}
	}
	for (size_t i = 0; i < j->n_items; i++) {
		if (commit_is_fence(&j->items[i]) && commit_unfence(c, &j->items[i], false, e))
			return e->code;
	}
	return 0;
}

/* The fences are the first to go and the last to come: when none is up, and what is new is in
 * place, then all of it is, and the machine may have run since and changed its files. */
static bool is_past(const struct commit *c)
{
	bool has_fence = false, has_new = false;

	for (size_t n = 0; n < c->journal.n_items; n++) {
		const struct journal_item *i = &c->journal.items[n];
		struct err none = { 0 };
		enum commit_is is;
		if (commit_look(&is, c, i, &none))
			return false;
		has_fence |= commit_is_fence(i);
		/* One that is to be away afterwards says nothing. */
		if (i->kind == JOURNAL_FENCE &&
			(!i->after || (is != COMMIT_NEW && is != COMMIT_SAME)))
			return false;
		if (i->kind == JOURNAL_DROPIN && is != COMMIT_OLD)
			return false;
		if (i->kind == JOURNAL_DIRECTORY || i->kind == JOURNAL_MOVED) {
			if (is != COMMIT_NEW)
				return false;
			/* Where nothing was, nothing has gone. */
			has_new |= !commit_is_gone(i) || i->existed;
		}
	}
	return has_fence && has_new;
}

int commit_go(struct commit *c, struct err *e)
{
	const enum journal_phase phase = c->journal.phase;

	if (phase != JOURNAL_PREPARED && phase != JOURNAL_COMMITTING)
		return err_set(e, ERR_BUG, "the journal does not say prepared");
	event_step(c->listener, "commit", "the new state takes the place of the old one");
	if (phase == JOURNAL_PREPARED || !is_past(c)) {
		if (commit_check(c, e) || (phase == JOURNAL_PREPARED && commit_promote(c, e)) ||
			commit_unlock(c, e) || go(c, e))
			return e->code;
	}
	if (commit_close(c, e) || commit_sync_all(c, e) || commit_save(c, JOURNAL_COMMITTED, e))
		return e->code;
	event_done(c->listener, "commit", "the new state is in place");
	commit_tidy_after(c);
	return 0;
}

/* After a power cut: is what is still staged what was read back then? */
static int check_staged(const struct commit *c, struct err *e)
{
	const struct digest_way way = {
		.listener = c->listener, .step = "read-back", .go_on = c->stopped, .ctx = c->ctx
	};

	for (size_t n = 0; n < c->journal.n_items; n++) {
		const struct journal_item *i = &c->journal.items[n];
		char hex[DIGEST_HEX];
		struct commit_spot staged;
		uint64_t inode;
		if (i->kind != JOURNAL_DIRECTORY || !i->staged)
			continue;
		if (commit_staged_at(&staged, c, i, e) || commit_inode(&inode, staged, e))
			return e->code;
		if (inode != i->new_inode)
			continue;
		if (digest_directory(hex, NULL, staged.root, staged.path, &way, e))
			return e->code;
		if (strcmp(hex, i->after))
			return err_set(e, ERR_MISMATCH,
				"%s is not what was staged any more; etcd-rescue rollback, then "
				"restore again",
				staged.path);
	}
	return 0;
}

int commit_resume(struct commit *c, struct err *e)
{
	switch (c->journal.phase) {
	case JOURNAL_NONE:
		return err_set(e, ERR_NOTFOUND, "no restore has been begun here");
	case JOURNAL_INTENT:
		return commit_abandon(c, e);
	case JOURNAL_PREPARED:
	case JOURNAL_COMMITTING:
		return check_staged(c, e) ? e->code : commit_go(c, e);
	case JOURNAL_ROLLING_BACK:
		return commit_rollback(c, e);
	default:
		return commit_tidy(c, &c->journal, e);
	}
}
