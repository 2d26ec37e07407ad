/* `run`: the main job, on this machine's disks or on a tree that somebody mounted. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/entered.h"
#include "cmd/output.h"
#include "cmd/passphrase.h"
#include "cmd/plan_find.h"
#include "cmd/plan_target.h"
#include "cmd/run_report.h"
#include "cmd/signals.h"
#include "cmd/source_options.h"
#include "codec/json.h"
#include "codec/text.h"
#include "etcd/ident.h"
#include "plan/run.h"

enum { OUTPUT_LIMIT = 16 << 20 };

struct options {
	struct option_common common;
	struct source_options source;
	const char *root, *until;
	bool dry_run, again, yes, unattended, force;
	uint64_t hold;
};

#define FIELD(name) offsetof(struct options, name)
static const struct option_row rows[] = {
	{ "file", 'f', OPTION_TEXT, FIELD(source.plan), "PLAN", "the plan; the same as --plan" },
	{ "root", 0, OPTION_TEXT, FIELD(root), "DIR",
		"the disk is mounted at DIR, with all that belongs to it (this machine's disks)" },
	{ "dry-run", 'n', OPTION_FLAG, FIELD(dry_run), NULL,
		"find node, disk and snapshot, show every change; write nothing" },
	{ "yes", 'y', OPTION_FLAG, FIELD(yes), NULL, "do not ask before the disk is written to" },
	{ "again", 0, OPTION_FLAG, FIELD(again), NULL,
		"restore though this disk was restored before; as a higher generation" },
	{ "force", 0, OPTION_FLAG, FIELD(force), NULL,
		"restore though the snapshot is another cluster's, or encrypted with keys that "
		"this disk does not have" },
	{ "until", 0, OPTION_TEXT, FIELD(until), "STEP",
		"stop when all is staged (rewrite) or the gate is open (gate)" },
	{ "hold", 0, OPTION_U64, FIELD(hold), "SECONDS",
		"how long to stand at the gate (half an hour; --unattended: as long as it takes)" },
	{ "unattended", 0, OPTION_FLAG, FIELD(unattended), NULL,
		"nobody is there: as --yes, and what needs a person's judgement is refused" },
	SOURCE_OPTION_ROWS,
	{ 0 },
};
#undef FIELD

static const char *hex(struct arena *a, const uint8_t *digest)
{
	CLEAN_BUF struct buf text = BUF(2 * CODEC_SHA256_SIZE);
	struct err ignored;

	codec_text_hex(&text, (struct span){ digest, CODEC_SHA256_SIZE }, &ignored);
	return arena_copy(a, buf_text(&text));
}

static void json_cluster(struct json *j, struct arena *a, const struct run_cluster *c)
{
	json_open(j, '{');
	json_key_text(j, "what", c->target->cluster->what);
	json_key_text(j, "name", c->name);
	json_key_text(j, "token", c->token);
	json_key_text(j, "cluster_id", etcd_ident_text(c->cluster.id).text);
	json_key_text(j, "member_id", etcd_ident_text(c->own->id).text);
	json_key_text(j, "initial_cluster", kube_print_members(a, &c->members));
	json_key_text(j, "members_from", c->members_from);
	json_key_text(j, "snapshot", c->snapshot.shown);
	json_key_text(j, "sha256", hex(a, c->snapshot.sha256));
	json_key_u64(j, "size", c->snapshot.size);
	json_key(j, "revision");
	json_i64(j, c->edited.revision);
	json_key_u64(j, "dropped_keys", c->edited.dropped_keys);
	json_close(j, '}');
}

static int print_json(struct buf *out, struct app *app, const struct run *r, struct err *e)
{
	const struct journal *journal = &r->commit.journal;
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "run");
	json_key_text(&j, "outcome", plan_run_outcome(r->outcome));
	json_key_text(&j, "phase", journal_phase_word(journal->phase));
	json_key_text(&j, "plan_id", *r->plan_id ? r->plan_id : journal->plan_id);
	json_key_text(&j, "plan_digest", r->plan_digest);
	json_key_u64(&j, "generation", r->plan->generation);
	json_key_text(&j, "layout", r->rewrite.node.layout ? r->rewrite.node.layout->name : NULL);
	json_key_text(&j, "node", r->rewrite.node.name);
	json_key_text(&j, "role", run_role_word(r));
	json_key_bool(&j, "served", r->served);
	json_key_text(&j, "chosen", r->choose.item ? r->choose.item->shown : NULL);
	json_key(&j, "clusters");
	json_open(&j, '[');
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (r->clusters[i].has_snapshot)
			json_cluster(&j, app->arena, &r->clusters[i]);
	}
	json_close(&j, ']');
	json_key(&j, "took_ms");
	json_open(&j, '{');
	for (enum run_step s = 0; s < RUN_STEPS; s++)
		json_key_u64(&j, plan_run_step(s), (uint64_t)r->took_ms[s]);
	json_close(&j, '}');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

/* What a node without a snapshot has to look forward to. */
static const char *prospect(const struct run *r)
{
	switch (r->role) {
	case PLAN_ROLE_JOIN:
		return "the next boot from the disk joins the others";
	case PLAN_ROLE_STAND_ASIDE:
		return "etcd and its API server stay away here until the operators bring them back";
	default:
		return "the kubelet starts without the pods of before";
	}
}

static int print_text(struct buf *out, const struct run *r, struct err *e)
{
	switch (r->outcome) {
	case RUN_RESTORED:
		if (!run_restores(r))
			return buf_print(out, e, "%-12s%s\nundo        etcd-rescue rollback\n",
				run_role_word(r), prospect(r));
		return buf_print(out, e,
			"restored    the next boot from the disk serves the restored state\n"
			"undo        etcd-rescue rollback\n");
	case RUN_ALREADY:
		return buf_print(out, e,
			"nothing     this plan is restored here already%s; nothing was written\n",
			r->served ? ", and etcd has run since" : "");
	case RUN_STAGED:
		return buf_print(out, e,
			"staged      the old state is still in place; etcd-rescue commit puts the "
			"new one there\n            %s\n",
			r->until == RUN_GATE ? "the gate was open, and no survivor answered"
					     : "without asking survivors or the other masters");
	default:
		return 0;
	}
}

static int print_result(struct app *app, const struct run *r, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);

	const bool shown = r->outcome == RUN_REHEARSED && r->rewrite.node.layout;
	if (!o->common.json && r->outcome == RUN_REHEARSED && !run_restores(r) &&
		buf_print(&out, e, "%-12s%s: %s\n", "role", run_role_word(r), prospect(r)))
		return e->code;
	if (o->common.json && shown && cmd_target_json(&out, &r->rewrite, e))
		return e->code;
	if (!o->common.json && shown && cmd_target_text(&out, &r->rewrite, e))
		return e->code;
	if (o->common.json ? print_json(&out, app, r, e) : print_text(&out, r, e))
		return e->code;
	if (!o->common.json)
		output_tame(&out);
	return app_print(&out, e);
}

struct job {
	struct app *app;
	const struct run *run;
	struct run_report report;
	struct passphrase passphrase;
};

static int ask(void *ctx, struct buf *secret, const struct target_question *q, struct err *e)
{
	return passphrase_ask(&((struct job *)ctx)->passphrase, secret, q, e);
}

static void writable(void *ctx, const struct site *site)
{
	struct job *job = ctx;

	(void)site;
	run_report_writable(&job->report, job->run);
}

/* A person sees what will be, and types the word. */
static int confirm(void *ctx, const struct run *r, struct err *e)
{
	struct app *app = ((struct job *)ctx)->app;
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	char answer[16] = "";

	if (o->yes || o->unattended)
		return 0;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			"nobody can be asked here; --yes restores, --dry-run shows what would be");
	const bool restores = run_restores(r);
	if ((r->rewrite.node.layout && cmd_target_text(&out, &r->rewrite, e)) ||
		buf_print(&out, e,
			"\n%-12s%s\n\nThe old member directory and every changed file are "
			"kept, `etcd-rescue rollback`\nputs them back.  %s? Type yes: ",
			restores ? "snapshot" : run_role_word(r),
			restores ? r->choose.item->shown : prospect(r),
			restores ? "Restore" : "Do it"))
		return e->code;
	output_tame(&out);
	if (app_print(&out, e))
		return e->code;
	if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n"))
		return err_set(e, ERR_DECLINED, "not confirmed, so nothing was written");
	return 0;
}

static int parse_until(enum run_step *until, const char *word, struct err *e)
{
	*until = RUN_COMMIT;
	if (!word || !strcmp(word, "commit"))
		return 0;
	*until = !strcmp(word, "gate") ? RUN_GATE : RUN_REWRITE;
	if (!strcmp(word, "gate") || !strcmp(word, "rewrite"))
		return 0;
	return err_set(e, ERR_USAGE, "--until %s: rewrite, gate or commit", word);
}

/* What was typed, else what the machine is given. */
static int find_plan(struct plan *plan, struct app *app, struct err *e)
{
	const struct options *o = app->options;
	struct delivery *d = arena_alloc(app->arena, sizeof *d);

	if (app->n_operands || o->source.plan)
		return source_options_plan(
			plan, app, &o->source, app->n_operands ? app->operands[0] : NULL, e);
	if (cmd_plan_find(d, app, &app->root, true, e))
		return e->code;
	if (o->unattended && !d->may_run_unattended)
		return err_set(e, ERR_DECLINED, "%s: not unattended: %s", d->name, d->why_attended);
	*plan = d->plan;
	return 0;
}

static const int statuses[] = { [RUN_UNTOUCHED] = 0,
	[RUN_ROLLED_BACK] = 3,
	[RUN_UNFINISHED] = 4,
	[RUN_HOLDING] = 5,
	[RUN_REFUSED] = 6 };

static int run_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	struct plan_machine *who = arena_alloc(app->arena, sizeof *who);
	struct plan plan;
	struct run *r = arena_alloc(app->arena, sizeof *r);
	struct job *job = arena_alloc(app->arena, sizeof *job);

	job->app = app;
	job->run = r;
	job->passphrase = (struct passphrase){
		.arena = app->arena, .dir = ENTERED_DIR, .terminal = !o->unattended
	};
	*r = (struct run){ .arena = app->arena,
		.machine = &app->root,
		.listener = app->listener,
		.plan = &plan,
		.dir = o->root,
		.dry_run = o->dry_run,
		.again = o->again,
		.unattended = o->unattended,
		.hold_ms = o->hold * 1000,
		.force = o->force,
		.stopped = signals_go_on,
		.confirm = confirm,
		.ask = ask,
		.writable = writable,
		.ctx = job };
	if (parse_until(&r->until, o->until, e))
		return e->code;
	if (o->hold > 10000000)
		return err_set(e, ERR_USAGE, "--hold takes up to 10000000 seconds");
	if (!o->root && geteuid())
		return err_set(e, ERR_DECLINED,
			"only root may look at the disks; --root DIR restores a mounted tree");
	if (find_plan(&plan, app, e))
		return e->code;
	if (!o->root) {
		plan_machine_read(who, app->arena, &app->root, NULL);
		plan_machine_ask(who, app->arena, NULL);
		r->who = who;
	}
	run_report_open(&job->report, app, &plan, o->dry_run);
	r->listener = &job->report.listener;
	signals_notice();
	struct err printed = { 0 };
	const int bad = plan_run(r, e);
	app->status = bad && commit_is_held(e) ? 1 : statuses[r->outcome];
	/* The object says what is true of the target, also after a failure. */
	int unprinted = !bad || o->common.json ? print_result(app, r, &printed) : 0;
	if (unprinted && !bad && r->commit.changed) {
		/* What is done is done, whether it could be told or not. */
		event_warning(r->listener, "run", "%s", printed.text);
		unprinted = 0;
	} else if (!bad) {
		*e = printed;
	}
	run_report_end(&job->report, r, bad && !app->status ? err_status(e->code) : app->status, e);
	plan_run_close(r);
	run_report_close(&job->report);
	return bad ? bad : unprinted;
}

const struct applet applet_run = {
	.name = "run",
	.purpose = "restore this master: find it, fetch, lay down, rewrite, commit",
	.operands = "[URL]",
	.about = "The main job.  Finds the disk of the control plane and which node it is, takes "
		 "the newest\n"
		 "usable snapshot, lays the member directory down beside the old one, rewrites the "
		 "node's\n"
		 "configuration, and puts all of it in place in one commit.  Cut the power at any "
		 "instant:\n"
		 "the disk boots into the old state, or etcd does not start, or into the new one, "
		 "and\n"
		 "running it again goes on.  Run again on a restored disk it writes nothing.\n"
		 "\n"
		 "Without URL or --plan the plan that this machine is given is followed.",
	.options = rows,
	.options_size = sizeof(struct options),
	.max_operands = 1,
	.run = run_run,
};
