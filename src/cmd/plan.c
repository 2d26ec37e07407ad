/* The plan: found and shown, checked, or explained key by key. */
#include <string.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "cmd/plan_find.h"
#include "cmd/plan_target.h"
#include "os/file.h"
#include "plan/file.h"
#include "plan/search.h"
#include "plan/show.h"

/* Where it is, this is the image, and the disks are this machine's. */
static const char image_manifest[] = "/etc/etcd-rescue/manifest";

enum { OUTPUT_MAX = 4 << 20, PATH = 4096 };

struct plan_options {
	struct option_common common;
	bool keys;
	const char *check, *file, *root, *machine, *snapshot;
};

static int show_keys(bool as_json, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);

	if (!as_json)
		return plan_show_keys(&out, e) ? e->code : app_print(&out, e);
	for (size_t i = 0; i < schema_n; i++) {
		struct json j = JSON(&out);
		plan_show_key_json(&j, &schema[i]);
		if (json_end(&j, e) || buf_add(&out, "\n", 1, e))
			return e->code;
	}
	return app_print(&out, e);
}

/* A path as the person sees it, from the root as the search needs it. */
static int from_root(const char **path, struct arena *a, const char *name, struct err *e)
{
	char here[PATH];

	*path = name;
	if (name[0] == '/')
		return 0;
	if (!getcwd(here, sizeof here))
		return err_sys(e, "this directory");
	*path = arena_print(a, "%s/%s", here, name);
	return 0;
}

static int check(struct app *app, const char *name, bool as_json, bool quiet, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(PLAN_FILE_MAX);
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct plan plan;
	const char *path;

	if (from_root(&path, app->arena, name, e))
		return e->code;
	if (file_read(&text, &app->root, path, e)) {
		if (e->code == ERR_SPACE)
			return err_set(e, ERR_FORMAT, "%s: is no plan, it holds more than %d bytes",
				name, PLAN_FILE_MAX);
		return e->code;
	}
	if (plan_read(&plan, app->arena, buf_text(&text), name, e) || plan_check(&plan, name, e))
		return e->code;
	if (as_json) {
		struct json j = JSON(&out);
		json_open(&j, '{');
		json_key_text(&j, "event", "check");
		json_key_text(&j, "file", name);
		json_key_bool(&j, "good", true);
		json_close(&j, '}');
		if (json_end(&j, e) || buf_add(&out, "\n", 1, e))
			return e->code;
	} else if (!quiet && buf_print(&out, e, "%s: the plan is good\n", name)) {
		return e->code;
	}
	return app_print(&out, e);
}

static int print_text(struct buf *out, struct arena *a, const struct delivery *d, struct err *e)
{
	if (buf_print(out, e, "# plan:       %s (%s)\n# signed:     %s\n# unattended: %s%s\n",
		    d->name, delivery_way_word(d->way), d->signed_by ? d->signed_by : "no",
		    d->may_run_unattended ? "allowed" : "no: ",
		    d->may_run_unattended ? "" : d->why_attended))
		return e->code;
	return plan_show(out, a, &d->plan, e);
}

static int print_json(struct buf *out, struct arena *a, const struct delivery *d, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "plan");
	json_key_text(&j, "way", delivery_way_word(d->way));
	json_key_text(&j, "name", d->name);
	json_key_text(&j, "signed_by", d->signed_by);
	json_key_bool(&j, "may_run_unattended", d->may_run_unattended);
	json_key_text(&j, "why_attended", d->why_attended);
	json_key_text(&j, "unheard", d->unheard);
	json_key(&j, "places");
	json_open(&j, '[');
	for (enum delivery_way way = 0; way < DELIVERY_WAYS; way++) {
		const struct delivery_place *p = &d->places[way];
		json_open(&j, '{');
		json_key_text(&j, "way", delivery_way_word(way));
		json_key_text(&j, "state", delivery_state_word(p->state));
		json_key_text(&j, "where", p->where);
		json_key_text(&j, "why", p->why);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_key(&j, "plan");
	plan_show_json(&j, a, &d->plan);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int find(
	struct app *app, const struct plan_options *o, const struct root *root, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct search_machine machine = { .root = root };
	struct delivery d = { 0 };
	const char *path = NULL;

	if (o->file) {
		/* Words of the kernel line are for the plan that the machine finds. */
		if (from_root(&path, app->arena, o->file, e) ||
			search_file(&d, app->arena, &machine, path, e))
			return e->code;
		d.name = o->file;
	} else if (cmd_plan_find(&d, app, root, !o->machine, e)) {
		return e->code;
	}
	if (o->common.json ? print_json(&out, app->arena, &d, e)
			   : print_text(&out, app->arena, &d, e))
		return e->code;
	return app_print(&out, e);
}

int cmd_plan_file(struct plan *plan, struct app *app, const char *name, struct err *e)
{
	const struct search_machine machine = { .root = &app->root };
	struct delivery d = { 0 };
	const char *path;

	if (from_root(&path, app->arena, name, e) || search_file(&d, app->arena, &machine, path, e))
		return e->code;
	*plan = d.plan;
	return 0;
}

static int show_target(struct app *app, const struct plan_options *o, struct err *e)
{
	CLEAN_ROOT struct root other = NO_ROOT;
	struct plan plan;

	if (o->file && cmd_plan_file(&plan, app, o->file, e))
		return e->code;
	struct cmd_target target = { .dir = o->root,
		.plan = o->file ? &plan : NULL,
		.json = o->common.json,
		.snapshot = o->snapshot };
	if (o->machine) {
		if (root_open(&other, o->machine, e))
			return e->code;
		target.machine = &other;
	} else if (root_exists(&app->root, image_manifest)) {
		target.machine = &app->root;
	}
	return cmd_plan_target(app, &target, e);
}

static int plan_run(struct app *app, struct err *e)
{
	const struct plan_options *o = app->options;
	CLEAN_ROOT struct root other = NO_ROOT;

	if (o->keys + !!o->check + !!o->file > 1)
		return err_set(e, ERR_USAGE, "--keys, --check and --file do not go together");
	if (o->keys)
		return show_keys(o->common.json, e);
	if (o->check)
		return check(app, o->check, o->common.json, o->common.quiet, e);
	if (o->machine && o->file && !o->root)
		return err_set(e, ERR_USAGE, "--machine does not go with --file alone");
	if (o->snapshot && !o->root)
		return err_set(e, ERR_USAGE, "--snapshot goes with --root");
	if (o->root)
		return show_target(app, o, e);
	if (!o->machine)
		return find(app, o, &app->root, e);
	if (root_open(&other, o->machine, e))
		return e->code;
	return find(app, o, &other, e);
}

static const struct option_row options[] = {
	{ "file", 'f', OPTION_TEXT, offsetof(struct plan_options, file), "FILE",
		"show this plan instead of the one that is found" },
	{ "check", 0, OPTION_TEXT, offsetof(struct plan_options, check), "FILE",
		"only say whether this plan is good" },
	{ "keys", 0, OPTION_FLAG, offsetof(struct plan_options, keys), NULL,
		"list every key: type, default, what it does" },
	{ "root", 0, OPTION_TEXT, offsetof(struct plan_options, root), "DIR",
		"show the control plane on the disk that is mounted at DIR, and what the plan of "
		"--file would change there" },
	{ "snapshot", 0, OPTION_TEXT, offsetof(struct plan_options, snapshot), "FILE",
		"with --root: has the disk the keys to read what this snapshot holds?" },
	{ "machine", 0, OPTION_TEXT, offsetof(struct plan_options, machine), "DIR",
		"look at the machine whose /proc, /sys and /etc are below DIR; not at its media; "
		"with --root: the disk is this machine's (in the image it is taken to be)" },
	{ 0 },
};

const struct applet applet_plan = {
	.name = "plan",
	.purpose = "show the plan this machine would follow",
	.about = "Looks for a plan, first hit wins: rescue.plan= on the kernel line; the image\n"
		 "itself; a removable volume labelled RESCUE, CIDATA or config-2; QEMU's fw_cfg;\n"
		 "SMBIOS strings; DHCP option 224; rescue.source= on the kernel line.  Prints it\n"
		 "with all defaults, and says where each value comes from.  Changes nothing.",
	.options = options,
	.options_size = sizeof(struct plan_options),
	.run = plan_run,
};
