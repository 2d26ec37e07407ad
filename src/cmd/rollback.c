/* The way back from a restore. */
#include "cmd/restored.h"
#include "cmd/signals.h"

struct options {
	struct option_common common;
	const char *root;
	uint64_t wait;
	bool dry_run;
};

static const char *outcome(enum journal_phase before)
{
	return before == JOURNAL_ROLLED_BACK ? "nothing"
	       : before <= JOURNAL_PREPARED  ? "abandoned"
					     : "rolled-back";
}

static int rollback_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_RESTORED struct restored r = NO_RESTORED;

	signals_notice();
	r.writes = !o->dry_run;
	if (restored_open(&r, app, o->root, e) || (!o->dry_run && restored_hold(&r, e)))
		return e->code;
	/* An attempt beside a restore of before: what is youngest goes first, and alone. */
	if (r.commit.left.phase && (r.commit.journal.phase == JOURNAL_COMMITTED ||
					   r.commit.journal.phase == JOURNAL_ROLLED_BACK))
		r.commit.journal = r.commit.left;
	const enum journal_phase before = r.commit.journal.phase;
	const bool half_way = before == JOURNAL_COMMITTING || before == JOURNAL_ROLLING_BACK;
	if (o->dry_run) {
		if (r.commit.journal.forgotten)
			return err_set(e, ERR_DECLINED,
				"what was there before the restore has been deleted by etcd-rescue "
				"forget");
		return before && commit_check(&r.commit, e)
			       ? e->code
			       : restored_print(&r, "rollback",
					 before == JOURNAL_ROLLED_BACK ? "nothing" : "would", 0,
					 o->common.json, e);
	}
	struct restored_wait wait = { &r.commit, o->wait ? o->wait : RESTORED_WAIT_S, false };
	r.commit.idle = restored_wait;
	r.commit.ctx = &wait;
	const struct journal was = r.commit.journal;
	if (commit_rollback(&r.commit, e)) {
		/* Still between the two when this cannot be undone either. */
		app->status = r.commit.changed || half_way ? 4
			      : wait.gave_up               ? 1
							   : restored_status(&r, e);
		return e->code;
	}
	if (before <= JOURNAL_PREPARED)
		r.commit.journal = was;
	restored_tell(&r, "rollback", outcome(before), 0, o->common.json);
	return 0;
}

static const struct option_row options[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct options, root), "DIR",
		"the disk is mounted at DIR (the running system; in the image: this machine's "
		"disks)" },
	{ "wait", 0, OPTION_U64, offsetof(struct options, wait), "SECONDS",
		"how long etcd may take to end once it is fenced (90)" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct options, dry_run), NULL,
		"say what would be put back; change nothing" },
	{ 0 },
};

const struct applet applet_rollback = {
	.name = "rollback",
	.purpose = "put back what was there before a restore",
	.about =
		"The same journal backwards: etcd is fenced, the old member directory and files\n"
		"take their places again, the new ones are kept aside, the fence goes away.  On a\n"
		"running system etcd has to end first; when it does not within --wait, the fence\n"
		"is taken away and nothing has changed.  Interrupted, it goes on the next time.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = rollback_run,
};
