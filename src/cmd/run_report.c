#include "cmd/run_report.h"

#include <string.h>

#include "codec/text.h"
#include "net/url.h"
#include "os/process.h"

enum { BUNDLE_MS = 60000 };

static const char in_image[] = "/etc/etcd-rescue/manifest";
static const char run_directory[] = "/run/etcd-rescue";

void run_report_open(struct run_report *rr, struct app *app, const struct plan *plan, bool dry_run)
{
	struct err e = { 0 };

	*rr = (struct run_report){ .app = app };
	/* For the certificates alone; a source that cannot be opened is somebody else's error. */
	const bool trusted = plan->report && !settings_make(&rr->settings, app->arena, plan,
						     &app->root, app->listener, &e);
	const bool image = root_exists(&app->root, in_image);
	const struct report_wish wish = {
		.dir = image && !dry_run ? run_directory : NULL,
		.url = dry_run ? NULL : plan->report,
		.syslog = dry_run ? NULL : plan->syslog,
		.trust = trusted ? &rr->settings.trust : NULL,
		.proxy = plan->proxy,
		.image = image,
		.next = app->listener,
	};
	rr->in_image = image;
	rr->report = report_open(app->arena, &wish);
	rr->listener = report_listener(rr->report);
	report_facts(rr->report,
		&(struct report_facts){ .source = url_text_shown(app->arena, plan->source) });
}

/* "var/lib/etcd-rescue" has its logs in "var/log/etcd-rescue"; "etc/etcd-rescue", where /var is
 * another file system, in a directory of its own. */
static const char *log_directory(struct arena *a, const char *state)
{
	static const char lib[] = "lib/etcd-rescue";
	const struct str s = str_from(state);

	if (!str_ends(s, STR(lib)))
		return arena_print(a, "%s/log", state);
	return arena_print(a, "%.*slog/etcd-rescue", (int)(s.len - strlen(lib)), state);
}

void run_report_writable(struct run_report *rr, const struct run *run)
{
	const struct site *site = &run->site;
	struct err e = { 0 };

	/* What makes it this plan's, before its id is known. */
	report_facts(rr->report, &(struct report_facts){
					 .plan = run->plan_id[0] ? run->plan_id : run->plan_digest,
					 .node = run->rewrite.node.name,
				 });

	if (!site->n_roots || !site->state)
		return;
	if (report_target(rr->report, site->roots[0].root,
		    log_directory(rr->app->arena, site->state), &e))
		event_warning(rr->app->listener, "report", "%s", e.text);
	else
		rr->on_target = true;
}

/* Who finds the machine off tomorrow finds it on its disk. */
static void leave_bundle(struct run_report *rr)
{
	static const char path[] = "/run/etcd-rescue/post-mortem.tar.zst";
	static const char *const argv[] = { "/proc/self/exe", "report", "--force", "--output", path,
		NULL };
	struct err e = { 0 };
	int status = 0;

	/* Before the disk could be written there is nowhere to leave it. */
	if (!rr->on_target)
		return;
	if (process_run(&status, argv, BUNDLE_MS, NULL, &e) || status ||
		report_target_copy(rr->report, path, ".tar.zst", &e))
		event_warning(rr->app->listener, "report", "no post-mortem on the target%s%s",
			e.code ? ": " : "", e.code ? e.text : "");
}

void run_report_end(struct run_report *rr, const struct run *run, int status, const struct err *why)
{
	struct report_facts facts = {
		.node = run->rewrite.node.name,
		.plan = run->plan_id[0] ? run->plan_id : NULL,
	};

	for (size_t i = 0; i < run->n_clusters && !facts.snapshot; i++) {
		CLEAN_BUF struct buf hex = BUF(2 * CODEC_SHA256_SIZE);
		struct err ignored;
		const struct run_snapshot *s = &run->clusters[i].snapshot;
		if (run->clusters[i].has_snapshot &&
			!codec_text_hex(
				&hex, (struct span){ s->sha256, sizeof s->sha256 }, &ignored))
			facts.snapshot = arena_copy(rr->app->arena, buf_text(&hex));
	}
	report_facts(rr->report, &facts);
	if (status && rr->in_image)
		leave_bundle(rr);
	report_end(rr->report, status, status ? why : NULL);
}

void run_report_close(struct run_report *rr)
{
	report_close(rr->report);
	settings_free(&rr->settings);
}
