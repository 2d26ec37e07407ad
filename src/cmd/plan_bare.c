/* What a plan makes of a disk without a control plane. */
#include <string.h>

#include "cmd/plan_target.h"
#include "codec/json.h"
#include "plan/role.h"
#include "plan/run.h"

enum { OUTPUT_MAX = 16 << 20 };

static int print_role(
	struct buf *out, const struct plan_role_found *found, bool as_json, struct err *e)
{
	struct json j = JSON(out);

	if (!as_json)
		return buf_print(
			out, e, "%-12s%s: %s\n", "role", plan_role_word(found->role), found->why);
	json_open(&j, '{');
	json_key_text(&j, "event", "target");
	json_key_text(&j, "layout", NULL);
	json_key_text(&j, "role", plan_role_word(found->role));
	json_key_text(&j, "role_why", found->why);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

/* The files are those of the archive, once they are this node's. */
static int print_fresh(struct app *app, struct buf *out, struct run *r, bool as_json, struct err *e)
{
	struct plan_rewrite *rewrite = &r->rewrite;
	struct err refused = { 0 };

	cmd_target_role(rewrite, &refused);
	rewrite->role_why = arena_print(app->arena, "%s; %s",
		r->plan->role == PLAN_ROLE_AUTO && !r->plan->recovery_host ? "the plan has a pki:"
									   : rewrite->role_why,
		"no control plane is here, so its files come from that archive");
	for (const struct plan_bundle_file *f = r->bundle.first; f; f = f->next)
		kube_add_text(&rewrite->fresh, app->arena, f->path);
	if (as_json ? cmd_target_json(out, rewrite, e) : cmd_target_text(out, rewrite, e))
		return e->code;
	*e = refused;
	return e->code;
}

static void hear_warning(void *ctx, const struct event *event)
{
	const struct app *app = ctx;

	if (event->kind == EVENT_WARNING)
		event_warning(app->listener, event->step, "%s", event->text);
}

/* As `run --dry-run` does it, which looks for a snapshot, too. */
static int show_fresh(struct app *app, struct buf *out, const struct cmd_target *t,
	const struct plan_machine *machine, struct err *e)
{
	struct run *r = arena_alloc(app->arena, sizeof *r);
	const struct listener warnings = { hear_warning, app };
	const struct err none_here = *e;

	*e = (struct err){ 0 };
	*r = (struct run){ .arena = app->arena,
		.listener = &warnings,
		.machine = &app->root,
		.plan = t->plan,
		.who = machine,
		.dir = t->dir,
		.dry_run = true,
		.until = RUN_IDENTIFY };
	if (!plan_run(r, e) && r->fresh)
		print_fresh(app, out, r, t->json, e);
	else if (!e->code)
		*e = none_here;
	plan_run_close(r);
	return e->code;
}

int cmd_plan_bare(struct app *app, const struct cmd_target *t, struct kube_files *files,
	const struct plan_machine *machine, struct err *e)
{
	static const struct plan none = { 0 };
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct plan_role_found found;
	struct err why = { 0 };

	if (e->code != ERR_NOTFOUND || t->apply || t->snapshot)
		return e->code;
	if (t->plan && t->plan->pki && t->plan->role != PLAN_ROLE_PURGE_ONLY) {
		if (show_fresh(app, &out, t, machine, e) && !out.len)
			return e->code;
	} else if (plan_role_bare(&found, files, t->plan ? t->plan : &none, machine, &why)) {
		if (why.code != ERR_NOTFOUND)
			*e = why;
		return e->code;
	} else {
		*e = (struct err){ 0 };
		if (print_role(&out, &found, t->json, e))
			return e->code;
	}
	if (!t->json)
		output_tame(&out);
	struct err printed = { 0 };
	if (app_print(&out, &printed) && !e->code)
		*e = printed;
	return e->code;
}
