/* The end of what was there before a restore. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/output.h"
#include "cmd/restored.h"

struct options {
	struct option_common common;
	const char *root;
	bool dry_run, yes;
};

static int confirm(struct app *app, uint64_t bytes, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(4096);
	char answer[16] = "";

	if (o->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			"nobody can be asked here; --yes deletes, --dry-run tells how much");
	if (buf_print(&out, e,
		    "%s of the old state are deleted, and there is no rollback any more.  Type "
		    "yes: ",
		    output_size(bytes).text) ||
		app_print(&out, e))
		return e->code;
	if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n"))
		return err_set(e, ERR_DECLINED, "not confirmed, so nothing was deleted");
	return 0;
}

static int forget_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_RESTORED struct restored r = NO_RESTORED;
	uint64_t bytes = 0;

	r.writes = !o->dry_run;
	if (restored_open(&r, app, o->root, e) || (!o->dry_run && restored_hold(&r, e)) ||
		commit_old_size(&bytes, &r.commit, e))
		return e->code;
	if (o->dry_run)
		return restored_print(&r, "forget", "would", bytes, o->common.json, e);
	if (confirm(app, bytes, e) || commit_forget(&bytes, &r.commit, e))
		return e->code;
	if (restored_print(&r, "forget", "forgotten", bytes, o->common.json, e))
		return e->code;
	event_info(app->listener, "forget", "%s are free again", output_size(bytes).text);
	return 0;
}

static const struct option_row options[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct options, root), "DIR",
		"the disk is mounted at DIR (the running system; in the image: this machine's "
		"disks)" },
	{ "yes", 'y', OPTION_FLAG, offsetof(struct options, yes), NULL,
		"do not ask before the old state is deleted" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct options, dry_run), NULL,
		"say how much would be deleted; change nothing" },
	{ 0 },
};

const struct applet applet_forget = {
	.name = "forget",
	.purpose = "delete what was there before a restore, once the new state serves",
	.about = "Deletes member.before-*, member.rolled-back-* and the old files that restores\n"
		 "kept, nothing else.  Only after a commit; from then on there is no rollback.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = forget_run,
};
