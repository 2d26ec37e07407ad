/* The rest of a commit that was prepared, or begun and cut. */
#include "cmd/restored.h"

struct options {
	struct option_common common;
	const char *root;
	bool dry_run;
};

static int commit_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_RESTORED struct restored r = NO_RESTORED;

	r.writes = !o->dry_run;
	if (restored_open(&r, app, o->root, e) || (!o->dry_run && restored_hold(&r, e)))
		return e->code;
	/* Prepared beside a restore of before, which is what the journal still tells. */
	if (r.commit.left.phase == JOURNAL_PREPARED &&
		r.commit.journal.phase != JOURNAL_COMMITTING &&
		r.commit.journal.phase != JOURNAL_ROLLING_BACK)
		r.commit.journal = r.commit.left;
	const enum journal_phase phase = r.commit.journal.phase;
	const bool done = phase == JOURNAL_COMMITTED;
	if (phase == JOURNAL_ROLLING_BACK)
		return err_set(e, ERR_DECLINED,
			"a rollback has begun, and only goes on: etcd-rescue rollback");
	if (!done && phase != JOURNAL_PREPARED && phase != JOURNAL_COMMITTING)
		return err_set(e, ERR_NOTFOUND,
			"nothing is prepared here, the journal says %s; etcd-rescue run stages",
			journal_phase_word(phase));
	if (o->dry_run)
		return !done && commit_check(&r.commit, e)
			       ? e->code
			       : restored_print(&r, "commit", done ? "nothing" : "would", 0,
					 o->common.json, e);
	if (phase == JOURNAL_PREPARED)
		event_warning(app->listener, "commit",
			"neither survivors nor the other masters are asked now; etcd-rescue run "
			"does");
	if (commit_resume(&r.commit, e)) {
		app->status = r.commit.changed || phase == JOURNAL_COMMITTING
				      ? 4
				      : restored_status(&r, e);
		return e->code;
	}
	restored_tell(&r, "commit", done ? "nothing" : "committed", 0, o->common.json);
	return 0;
}

static const struct option_row options[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct options, root), "DIR",
		"the disk is mounted at DIR (the running system; in the image: this machine's "
		"disks)" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct options, dry_run), NULL,
		"say what would be put in place; change nothing" },
	{ 0 },
};

const struct applet applet_commit = {
	.name = "commit",
	.purpose = "put in place what a restore has prepared",
	.about = "For a restore that was stopped when all was staged (run --until rewrite, a gate\n"
		 "that did not open), or cut while it was put in place: the journal tells how far\n"
		 "it is, and only the rest is done.  Once more changes nothing.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = commit_run,
};
