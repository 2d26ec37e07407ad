/* `finish`: the first boot of a restored system. */
#include <string.h>

#include "cmd/applets.h"
#include "cmd/signals.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "node/anchors.h"
#include "os/file.h"
#include "os/kmsg.h"
#include "plan/finish.h"
#include "plan/report.h"

enum { OUTPUT_MAX = 1 << 20, KMSG_INFO = 6, KMSG_WARNING = 4 };

struct options {
	struct option_common common;
	const char *root;
	uint64_t deadline;
	bool dry_run;
};

static const struct option_row rows[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct options, root), "DIR",
		"the system is mounted at DIR (the running one)" },
	{ "deadline", 0, OPTION_U64, offsetof(struct options, deadline), "SECONDS",
		"how long it may take, and each redeployment (as the plan says: 900, 3600)" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct options, dry_run), NULL,
		"say what would be done; ask nobody, change nothing" },
	{ 0 },
};

static void json_steps(struct json *j, const struct finish *f)
{
	json_key(j, "steps");
	json_open(j, '[');
	for (size_t i = 0; i < FINISH_ACTIONS; i++) {
		if (f->steps[i].done)
			json_text(j, f->steps[i].name);
	}
	json_close(j, ']');
}

static int print_json(struct buf *out, const struct finish *f, const char *outcome, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "finish");
	json_key_text(&j, "outcome", outcome);
	json_key_text(&j, "layout", f->record.layout);
	json_key_text(&j, "node", f->record.node);
	json_steps(&j, f);
	json_key_bool(&j, "served", f->served);
	json_key_u64(&j, "members", f->members);
	json_key_u64(&j, "started", f->started);
	json_key_u64(&j, "released", f->released);
	json_key_u64(&j, "cleaned", f->cleaned);
	json_key_bool(&j, "removed", f->removed);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_steps(struct buf *out, const struct finish *f, struct err *e)
{
	for (size_t i = 0; i < FINISH_ACTIONS; i++) {
		if (f->steps[i].done &&
			buf_print(out, e, "%-11s %s\n", f->steps[i].name, f->steps[i].text))
			return e->code;
	}
	return 0;
}

static int print(struct app *app, const struct finish *f, const char *outcome, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	int bad;

	if (o->common.json)
		bad = print_json(&out, f, outcome, e);
	else if (!strcmp(outcome, "would"))
		bad = print_steps(&out, f, e);
	else if (!strcmp(outcome, "nothing"))
		bad = buf_print(&out, e, "nothing is left to finish here\n");
	else
		bad = buf_print(&out, e,
			"%-11s %zu of %zu members started, %zu cleaned up\n"
			"undo        /%s/bin/etcd-rescue rollback\n"
			"old data    /%s/bin/etcd-rescue forget: deleted, when all is well\n",
			outcome, f->started, f->members, f->cleaned, f->state, f->state);
	return bad ? bad : app_print(&out, e);
}

/* "var/lib/etcd-rescue" has its logs in "var/log/etcd-rescue". */
static const char *log_directory(struct arena *a, const char *state)
{
	return str_ends(str_from(state), STR("var/lib/etcd-rescue"))
		       ? "var/log/etcd-rescue"
		       : arena_print(a, "%s/log", state);
}

static int run_told(struct finish *f, struct app *app, const struct root *root, struct err *e)
{
	CLEAN_BUF struct buf anchors = BUF(NODE_ANCHORS_MAX);
	struct err why = { 0 };

	if (f->record.report && node_anchors_load(&anchors, root, &why))
		event_warning(app->listener, "finish", "%s", why.text);
	const struct trust trust = { .anchors = buf_span(&anchors) };
	const struct report_wish wish = { .url = f->record.report,
		.syslog = f->record.syslog,
		.trust = &trust,
		.next = app->listener };
	const struct report_facts facts = { .node = f->record.node,
		.plan = f->record.plan,
		.snapshot = f->record.snapshot,
		.source = f->record.source };
	struct report *report = report_open(app->arena, &wish);
	const struct listener listener = report_listener(report);

	report_facts(report, &facts);
	why = (struct err){ 0 };
	if (report_target(report, root, log_directory(app->arena, f->state), &why))
		event_warning(app->listener, "finish", "%s", why.text);
	f->listener = &listener;
	int bad = finish_run(f, e);
	if (!bad)
		bad = finish_remove(f, e);
	if (!bad)
		event_info(f->listener, "finish",
			"the old data is kept: /%s/bin/etcd-rescue rollback brings it back, and "
			"forget, when all is well, deletes it",
			f->state);
	kmsg_write(
		bad ? KMSG_WARNING : KMSG_INFO, arena_print(app->arena, "etcd-rescue finish: %s",
							bad ? e->text : "the restore is finished"));
	report_end(report, bad ? err_status(e->code) : 0, bad ? e : NULL);
	report_close(report);
	return bad;
}

struct waiting {
	const struct root *root;
	const char *record;
};

static bool is_undone(const struct waiting *w)
{
	return !root_exists(w->root, w->record);
}

/* Nobody waits for what a rollback has undone meanwhile. */
static int go_on(void *ctx, struct err *e)
{
	if (signals_go_on(NULL, e))
		return e->code;
	return is_undone(ctx) ? err_set(e, ERR_DECLINED, "the restore has been rolled back") : 0;
}

static int finish_applet(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_ROOT struct root root = NO_ROOT;
	struct finish f = { .arena = app->arena,
		.root = &root,
		.deadline_s = o->deadline,
		.wait = { .stopped = go_on } };
	struct err printed = { 0 };

	if (o->deadline > DURATION_MAX)
		return err_set(e, ERR_USAGE, "--deadline takes up to %d seconds", DURATION_MAX);
	if (root_open(&root, o->root ? o->root : "/", e))
		return e->code;
	if (finish_read(&f, e))
		return err_forgive(e, ERR_NOTFOUND) ? e->code : print(app, &f, "nothing", e);
	if (o->dry_run)
		return print(app, &f, "would", e);
	signals_notice();
	struct waiting waiting = { &root, arena_print(app->arena, "%s/" FINISH_RECORD, f.state) };
	f.wait.ctx = &waiting;
	CLOSE_FD int lock = -1;
	if (finish_hold(&lock, &f, e)) {
		if (!is_undone(&waiting))
			return e->code;
		*e = (struct err){ 0 };
		return print(app, &f, "nothing", e);
	}
	const int bad = run_told(&f, app, &root, e);
	if (bad && is_undone(&waiting)) {
		*e = (struct err){ 0 };
		return print(app, &f, "nothing", e);
	}
	if (bad)
		app->status = 1;
	if (!bad || o->common.json)
		print(app, &f, bad ? "failed" : "done", bad ? &printed : e);
	return e->code;
}

const struct applet applet_finish = {
	.name = "finish",
	.purpose = "the first boot after a restore: wait for etcd, clean up, go away",
	.about = "Runs once by itself when the restored system has booted.  Waits until etcd "
		 "serves\n"
		 "and compares cluster and members with what was restored, puts static pods in "
		 "place\n"
		 "that waited for it, cleans up what the restore left in the Kubernetes API (under "
		 "a\n"
		 "Lease, one master at a time), reports, and takes its own unit away.\n"
		 "When something fails, static pods are in place all the same, the log lies in\n"
		 "/var/log/etcd-rescue, and the next boot, or this command, goes on.",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = finish_applet,
};
