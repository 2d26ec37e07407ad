/* The changes that a plan makes to the configuration of a control plane, alone. */
#include "cmd/plan_target.h"

struct rewrite_options {
	struct option_common common;
	const char *root, *file;
	bool dry_run;
};

static int rewrite_run(struct app *app, struct err *e)
{
	const struct rewrite_options *o = app->options;
	struct plan plan;

	if (!o->root || !o->file)
		return err_set(e, ERR_USAGE, "rewrite needs --root DIR and --file PLAN");
	if (cmd_plan_file(&plan, app, o->file, e))
		return e->code;
	return cmd_plan_target(app,
		&(struct cmd_target){ .dir = o->root,
			.plan = &plan,
			.json = o->common.json,
			.apply = !o->dry_run },
		e);
}

static const struct option_row options[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct rewrite_options, root), "DIR",
		"where the disk of the control plane is mounted" },
	{ "file", 'f', OPTION_TEXT, offsetof(struct rewrite_options, file), "PLAN",
		"the plan: what is replaced, members, token, layout" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct rewrite_options, dry_run), NULL,
		"show the changes, make none" },
	{ 0 },
};

const struct applet applet_rewrite = {
	.name = "rewrite",
	.purpose = "change names, addresses and members in a control plane's configuration",
	.about = "Makes the changes that `plan --root` shows, each by its bytes: comments, order "
		 "and\n"
		 "quoting stay, and so do owner, mode, ACLs and labels.  What was there before is "
		 "kept\n"
		 "under var/lib/etcd-rescue/before.  The second time there is nothing left to "
		 "change.",
	.options = options,
	.options_size = sizeof(struct rewrite_options),
	.run = rewrite_run,
};
