#include "target/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"

static int stopped(const struct commit *c, struct err *e)
{
	return c->stopped ? c->stopped(c->ctx, e) : 0;
}

static int drop_name(const struct root *state, const char *name, struct err *e)
{
	CLOSE_FD int dir = -1;

	if (root_open_at(&dir, state, ".", O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return err_sys(e, "%s", name);
	return fsync(dir) ? err_sys(e, "the state directory") : 0;
}

int commit_drop_intent(const struct commit *c, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	return commit_state(&state, c, false, e) || drop_name(&state, JOURNAL_INTENT_NAME, e)
		       ? e->code
		       : 0;
}

int commit_open(struct commit *c, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	struct err why = { 0 };

	c->journal = c->left = (struct journal){ 0 };
	if (commit_state(&state, c, false, &why) ||
		journal_read(&c->journal, c->arena, &state, JOURNAL_NAME, &why)) {
		if (why.code != ERR_NOTFOUND) {
			*e = why;
			return e->code;
		}
		if (state.fd < 0)
			return 0;
	}
	/* An attempt whose own record is torn has left nothing but names we know. */
	if (journal_read(&c->left, c->arena, &state, JOURNAL_INTENT_NAME, &why))
		c->left = (struct journal){ 0 };
	/* Cut before the attempt's own record was gone: it has become the restore. */
	if (c->journal.phase && c->left.phase && c->journal.began == c->left.began &&
		c->journal.plan_id && c->left.plan_id &&
		!strcmp(c->journal.plan_id, c->left.plan_id))
		c->left = (struct journal){ 0 };
	if (!c->journal.phase && c->left.phase)
		c->journal = c->left;
	return 0;
}

/* The staged old of an exchange that was cut: never deleted. */
static int spare(const struct commit *c, const struct journal *j, struct err *e)
{
	for (size_t i = 0; i < j->n_items; i++) {
		const struct journal_item *item = &j->items[i];
		struct commit_spot staged;
		struct err none = { 0 };
		uint64_t inode;
		if (item->kind != JOURNAL_DIRECTORY || !item->staged || !item->existed)
			continue;
		/* On a file system that is not there nothing will be removed either. */
		if (commit_staged_at(&staged, c, item, &none))
			continue;
		if (commit_inode(&inode, staged, e))
			return e->code;
		if (inode && inode == item->old_inode)
			return err_set(e, ERR_DECLINED, "%s holds the old state", staged.path);
	}
	return 0;
}

int commit_tidy(struct commit *c, const struct journal *j, struct err *e)
{
	struct commit_spot at;

	if (spare(c, j, e))
		return e->code;
	for (size_t i = 0; i < j->n_stages; i++) {
		if (commit_spot(&at, c, j->stages[i].device, j->stages[i].path, e)) {
			event_warning(
				c->listener, "commit", "%s: what was staged on it stays", e->text);
			continue;
		}
		if (commit_remove(NULL, at, e))
			return e->code;
	}
	for (size_t i = 0; i < j->n_items; i++) {
		const struct journal_item *item = &j->items[i];
		if (commit_is_tree(item) || !item->staged ||
			(item->kept && !strcmp(item->kept, item->staged)))
			continue;
		struct err none = { 0 };
		if (commit_staged_at(&at, c, item, &none))
			continue;
		if (commit_remove(NULL, at, e))
			return e->code;
	}
	at = (struct commit_spot){ c->roots[0].root, arena_print(c->arena, "%s/stage", c->state) };
	return commit_remove(NULL, at, e);
}

/* Before they are immutable again: what cannot be removed now stays until the next restore. */
int commit_close(struct commit *c, struct err *e)
{
	struct err why = { 0 };

	if (c->journal.n_locked && commit_tidy(c, &c->journal, &why))
		event_warning(c->listener, "commit", "%s", why.text);
	return commit_lock(c, e);
}

void commit_tidy_after(struct commit *c)
{
	struct err why = { 0 };

	if (commit_tidy(c, &c->journal, &why) || commit_drop_intent(c, &why))
		event_warning(c->listener, "commit", "%s; what is left goes with the next restore",
			why.text);
}

/* What had flags taken away gets them back, or nobody would know of them any more; behind them
 * nothing could be removed. */
static int drop_stages(struct commit *c, struct err *e)
{
	return commit_unlock(c, e) || commit_tidy(c, &c->journal, e) || commit_lock(c, e) ? e->code
											  : 0;
}

int commit_begin(struct commit *c, const struct journal *about, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;
	const enum journal_phase phase = c->journal.phase;

	if (phase == JOURNAL_COMMITTING || phase == JOURNAL_ROLLING_BACK)
		return err_set(e, ERR_DECLINED,
			"a restore of before is %s and not finished; etcd-rescue commit or "
			"etcd-rescue rollback first",
			journal_phase_word(phase));
	if (commit_state(&state, c, true, e))
		return e->code;
	if (fchmodat(state.fd, ".", 0700, 0))
		return err_sys(e, "%s", c->state);
	const struct journal old = c->journal;
	c->journal = c->left;
	const int status = drop_stages(c, e);
	c->journal = old;
	if (status || (phase > JOURNAL_INTENT && commit_tidy(c, &old, e)))
		return e->code;
	/* btrfs gives the room back with its next transaction. */
	if ((c->left.phase || phase > JOURNAL_INTENT) && commit_sync_all(c, e))
		return e->code;
	c->left = (struct journal){ 0 };
	c->journal = *about;
	c->journal.items = arena_array(c->arena, JOURNAL_ITEMS_MAX, sizeof *c->journal.items);
	c->journal.stages = arena_array(c->arena, JOURNAL_PLACES_MAX, sizeof *c->journal.stages);
	c->journal.locked = NULL;
	c->journal.n_items = c->journal.n_stages = c->journal.n_locked = 0;
	c->journal.forgotten = false;
	c->journal.began = time(NULL);
	c->changed = false;
	return commit_save(c, JOURNAL_INTENT, e);
}

/* Everything is on its way to the disk while its sum is made from memory; then all of it is
 * synced, memory dropped, and the disk asked. */
static int sum_up(struct commit *c, struct journal_item *i, uint64_t *bytes, struct err *e)
{
	const struct digest_way way = { .write = true,
		.go_on = c->stopped,
		.ctx = c->ctx,
		.known = c->known,
		.n_known = c->n_known };
	char hex[DIGEST_HEX];
	struct commit_spot staged;

	if (commit_staged_at(&staged, c, i, e) ||
		digest_directory(hex, bytes, staged.root, staged.path, &way, e) ||
		commit_sync_tree(staged, e))
		return e->code;
	i->after = arena_print(c->arena, "%s", hex);
	return 0;
}

static int read_back(
	const struct commit *c, const struct journal_item *i, uint64_t total, struct err *e)
{
	const struct digest_way way = { .drop = true,
		.listener = c->listener,
		.step = "read-back",
		.total = total,
		.go_on = c->stopped,
		.ctx = c->ctx };
	const bool tree = commit_is_tree(i);
	char hex[DIGEST_HEX];
	struct commit_spot staged;

	if (!i->staged || (i->kept && !strcmp(i->kept, i->staged)))
		return 0;
	if (commit_staged_at(&staged, c, i, e) ||
		(tree ? digest_directory(hex, NULL, staged.root, staged.path, &way, e)
		      : digest_file(hex, NULL, staged.root, staged.path, &way, e)))
		return e->code;
	return strcmp(hex, i->after)
		       ? err_set(e, ERR_IO, "%s: the disk does not give back what was written",
				 staged.path)
		       : 0;
}

/* The names on the way down to what is staged. */
static int sync_stages(const struct commit *c, struct err *e)
{
	for (size_t i = 0; i < c->journal.n_stages; i++) {
		struct commit_spot at;
		CLOSE_FD int dir = -1;
		const char *name;
		if (commit_spot(
			    &at, c, c->journal.stages[i].device, c->journal.stages[i].path, e) ||
			commit_sync_tree(at, e) || commit_parent(&dir, &name, at, e))
			return e->code;
		if (fsync(dir))
			return err_sys(e, "%s", at.path);
	}
	return 0;
}

static int sync_files(const struct commit *c, struct err *e)
{
	for (size_t i = 0; i < c->journal.n_items; i++) {
		const struct journal_item *item = &c->journal.items[i];
		struct commit_spot at;
		CLOSE_FD int fd = -1, dir = -1;
		const char *name;
		if (commit_is_tree(item) || !item->staged ||
			(item->kept && !strcmp(item->kept, item->staged)))
			continue;
		if (commit_staged_at(&at, c, item, e) ||
			root_open_at(&fd, at.root, at.path, O_RDONLY | O_NOFOLLOW, e) ||
			commit_parent(&dir, &name, at, e))
			return e->code;
		if (fsync(fd) || fsync(dir))
			return err_sys(e, "%s: fsync", at.path);
	}
	return 0;
}

static void drop_caches(void)
{
	CLOSE_FD int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	struct err none;

	if (fd >= 0)
		(void)file_write(fd, "1\n", 2, &none);
}

/* The journal of the restore before, under its plan's name: for people. */
static int keep_journal(const struct root *state, struct arena *a, struct err *e)
{
	struct journal j = { 0 };
	struct err none = { 0 };
	CLOSE_FD int dir = -1;

	if (journal_read(&j, a, state, JOURNAL_NAME, &none) || !j.plan_id)
		return 0;
	if (root_open_at(&dir, state, ".", O_RDONLY | O_DIRECTORY, e))
		return e->code;
	const char *name = arena_print(a, JOURNAL_NAME ".%.8s", j.plan_id);
	if (strchr(name, '/') || (unlinkat(dir, name, 0) && errno != ENOENT))
		return 0;
	if (linkat(dir, JOURNAL_NAME, dir, name, 0) && errno != EPERM)
		return err_sys(e, "%s", name);
	return 0;
}

int commit_prepare(struct commit *c, struct err *e)
{
	uint64_t total = 0;

	if (c->journal.phase != JOURNAL_INTENT)
		return err_set(e, ERR_BUG, "prepared without a begin");
	event_step(c->listener, "prepare", "syncing what is staged, reading it back");
	for (size_t i = 0; i < c->journal.n_items; i++) {
		struct journal_item *item = &c->journal.items[i];
		uint64_t bytes = 0;
		if (stopped(c, e))
			return e->code;
		if (commit_is_tree(item) && item->staged && sum_up(c, item, &bytes, e))
			return e->code;
		total += bytes;
	}
	if (sync_files(c, e) || sync_stages(c, e))
		return e->code;
	if (c->whole_machine)
		drop_caches();
	for (size_t i = 0; i < c->journal.n_items; i++) {
		if (stopped(c, e) || read_back(c, &c->journal.items[i], total, e))
			return e->code;
	}
	if (stopped(c, e) || commit_check(c, e) || commit_save(c, JOURNAL_PREPARED, e))
		return e->code;
	event_done(c->listener, "prepare", "all is staged, and what was read back is the same");
	return 0;
}

int commit_promote(struct commit *c, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	return commit_state(&state, c, false, e) || keep_journal(&state, c->arena, e) ||
			       commit_save(c, JOURNAL_COMMITTING, e) ||
			       drop_name(&state, JOURNAL_INTENT_NAME, e)
		       ? e->code
		       : 0;
}

int commit_abandon(struct commit *c, struct err *e)
{
	if (c->journal.phase > JOURNAL_PREPARED)
		return err_set(e, ERR_BUG, "what is committed is not abandoned, but rolled back");
	if (c->journal.phase == JOURNAL_NONE)
		return 0;
	if (drop_stages(c, e) || commit_drop_intent(c, e))
		return e->code;
	return commit_open(c, e);
}
