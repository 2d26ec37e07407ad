/* From the image to the machine's own disk. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "cmd/entered.h"
#include "cmd/output.h"
#include "cmd/passphrase.h"
#include "cmd/plan_find.h"
#include "cmd/plan_target.h"
#include "codec/json.h"
#include "os/file.h"
#include "os/tty.h"
#include "plan/handoff.h"

enum { OUTPUT_MAX = 1 << 20 };

struct handoff_options {
	struct option_common common;
	const char *file, *root, *to;
	bool dry_run, yes;
};

static int print_json(struct buf *out, const struct handoff *h, bool dry_run, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "handoff");
	json_key_text(&j, "rung", handoff_rung_word(h->rung));
	json_key_text(&j, "text", h->text);
	json_key_u64(&j, "round", h->round);
	json_key_text(&j, "round_why", h->round_why);
	json_key_bool(&j, "dry_run", dry_run);
	json_key(&j, "steps");
	json_open(&j, '[');
	for (size_t i = 0; i < h->steps.n; i++) {
		json_open(&j, '{');
		json_key_text(&j, "rung", handoff_rung_word(h->steps.v[i].rung));
		json_key_text(&j, "state", handoff_state_word(h->steps.v[i].state));
		json_key_text(&j, "why", h->steps.v[i].why);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_text(struct buf *out, const struct handoff *h, struct err *e)
{
	if (h->round && buf_print(out, e, "%-12s%u of %d%s%s\n", "round", h->round, HANDOFF_ROUNDS,
				h->round_why ? ": " : "", h->round_why ? h->round_why : ""))
		return e->code;
	for (size_t i = 0; i < h->steps.n; i++) {
		const struct handoff_step *s = &h->steps.v[i];
		if (buf_print(out, e, "%-12s%-8s%s%s\n", handoff_rung_word(s->rung),
			    handoff_state_word(s->state), s->why ? " " : "", s->why ? s->why : ""))
			return e->code;
	}
	return 0;
}

static int show(struct app *app, const struct handoff *h, struct err *e)
{
	const struct handoff_options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);

	if (o->common.json ? print_json(&out, h, o->dry_run, e) : print_text(&out, h, e))
		return e->code;
	if (!o->common.json)
		output_tame(&out);
	return app_print(&out, e);
}

/* On every console, and none may hold us up. */
static void tell_consoles(struct app *app, const char *text)
{
	struct tty *ttys = NULL;
	size_t n = 0;

	tty_list(&ttys, &n, app->arena, &app->root);
	for (size_t i = 0; i < n; i++) {
		CLOSE_FD int fd = -1;
		struct err none;
		if (!ttys[i].answers || root_open_at(&fd, &app->root,
						arena_print(app->arena, "dev/%s", ttys[i].name),
						O_WRONLY | O_NONBLOCK | O_NOCTTY, &none))
			continue;
		(void)!write(fd, text, strlen(text));
	}
}

/* What the plan says; without one the machine is started in the usual way. */
static int read_plan(struct handoff_from *from, struct target_assemble_options *storage,
	struct app *app, struct err *e)
{
	const struct handoff_options *o = app->options;
	struct plan *plan = arena_alloc(app->arena, sizeof *plan);
	struct delivery *d = arena_alloc(app->arena, sizeof *d);
	struct err why = { 0 };

	passphrase_storage(storage, app->arena, NULL);
	if (o->file && cmd_plan_file(plan, app, o->file, e))
		return e->code;
	if (!o->file && cmd_plan_find(d, app, &app->root, true, &why)) {
		event_info(app->listener, "handoff", "no plan, so in the usual way: %s", why.text);
		return 0;
	}
	if (!o->file)
		*plan = d->plan;
	from->choice = plan->handoff;
	from->report = plan->report;
	from->proxy = plan->proxy;
	passphrase_storage(storage, app->arena, plan);
	return 0;
}

static int confirm(const struct app *app, struct err *e)
{
	const struct handoff_options *o = app->options;
	char answer[16] = "";

	if (o->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			"nobody can be asked here; --yes goes on, --dry-run shows what would be");
	fputs("This ends the image and starts the machine's disk.  Type yes: ", stdout);
	fflush(stdout);
	if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n"))
		return err_set(e, ERR_DECLINED, "not confirmed, so the image stays");
	return 0;
}

static int open_site(struct site *site, struct journal *journal, struct app *app, struct err *e)
{
	const struct handoff_options *o = app->options;
	CLEAN_ROOT struct root state = NO_ROOT;
	struct err why = { 0 };

	site->arena = app->arena;
	site->machine = &app->root;
	site->listener = app->listener;
	site->dir = o->root;
	if (site_look(site, e) || (!o->dry_run && site_write(site, e)))
		return e->code;
	*journal = (struct journal){ 0 };
	if (root_open_at(&state.fd, site->roots[0].root, site->state,
		    O_PATH | O_DIRECTORY | O_NOFOLLOW, &why) ||
		journal_read(journal, app->arena, &state, JOURNAL_NAME, &why)) {
		if (why.code != ERR_NOTFOUND)
			event_warning(app->listener, "handoff", "%s", why.text);
		return 0;
	}
	if (journal->phase > JOURNAL_INTENT && journal->phase != JOURNAL_COMMITTED &&
		journal->phase != JOURNAL_ROLLED_BACK)
		event_warning(app->listener, "handoff",
			"the journal on the disk says %s: etcd will not start on it before "
			"`etcd-rescue commit` or `rollback` is through",
			journal_phase_word(journal->phase));
	return 0;
}

static int prepare(struct handoff *h, struct app *app, struct handoff_from *from,
	const struct target_assemble_options *storage, struct err *e)
{
	CLEAN_SITE struct site site = NO_SITE;
	CLEAN_ROOT struct root held = NO_ROOT;
	struct handoff_place place = { .esp_root = NO_ROOT };
	struct journal journal = { 0 };
	const bool needs_disk = from->only ? from->only != HANDOFF_POWEROFF
					   : from->choice != PLAN_HANDOFF_POWEROFF &&
						     from->choice != PLAN_HANDOFF_STAY;

	if (needs_disk) {
		site.storage = *storage;
		if (open_site(&site, &journal, app, e))
			return e->code;
		/* No restart under a restore that is at work. */
		if (site.writable && commit_hold(&held, site.roots[0].root, site.state, e)) {
			app->status = commit_is_held(e);
			return e->code;
		}
		handoff_find(&place, app->arena, &site, &app->root);
		from->place = &place;
		from->plan_id = journal.plan_id;
	}
	const int status = handoff_prepare(h, app->arena, from, e);
	handoff_find_close(&place);
	from->place = NULL;
	return status;
}

static int handoff_run(struct app *app, struct err *e)
{
	const struct handoff_options *o = app->options;
	struct handoff_from from = { .machine = &app->root,
		.dry_run = o->dry_run,
		.now = time(NULL),
		.listener = app->listener };
	struct target_assemble_options storage;
	struct handoff h;

	from.only = handoff_rung_of(o->to);
	if (o->to && from.only != HANDOFF_FIRMWARE && from.only != HANDOFF_KEXEC &&
		from.only != HANDOFF_POWEROFF)
		return err_set(e, ERR_USAGE, "--to %s: firmware, kexec or poweroff", o->to);
	if (o->root && !o->dry_run)
		return err_set(e, ERR_USAGE,
			"--root goes with --dry-run: what is mounted cannot be left cleanly; "
			"unmount "
			"it, and leave --root out");
	if (!o->root && geteuid())
		return err_set(e, ERR_DECLINED,
			"only root may look at the disks; --root DIR --dry-run looks at a mounted "
			"tree");
	if (read_plan(&from, &storage, app, e) || (!o->dry_run && confirm(app, e)) ||
		prepare(&h, app, &from, &storage, e) || show(app, &h, e) || o->dry_run)
		return e->code;
	/* Here everything of the disk is closed and unmounted; memory outlives a kexec. */
	if (!o->root)
		entered_wipe(ENTERED_DIR, NULL);
	if (handoff_act(&h, e))
		return e->code;
	tell_consoles(app, handoff_banner(app->arena, &h));
	return h.rung == HANDOFF_STAY
		       ? 0
		       : err_set(e, ERR_UNSUPPORTED,
				 "the disk is not started: %s; see `etcd-rescue handoff --dry-run`",
				 h.round_why ? h.round_why : "no way leads to it from here");
}

#define FIELD(name) offsetof(struct handoff_options, name)
static const struct option_row options[] = {
	{ "dry-run", 'n', OPTION_FLAG, FIELD(dry_run), NULL,
		"show which way would be taken, and why; write nothing" },
	{ "to", 0, OPTION_TEXT, FIELD(to), "WAY",
		"firmware, kexec or poweroff: this way and no other, rounds begin anew" },
	{ "file", 'f', OPTION_TEXT, FIELD(file), "PLAN", "its handoff: and report: count" },
	{ "root", 0, OPTION_TEXT, FIELD(root), "DIR",
		"with --dry-run: the disk is mounted at DIR (this machine's disks)" },
	{ "yes", 'y', OPTION_FLAG, FIELD(yes), NULL, "do not ask" },
	{ 0 },
};
#undef FIELD

const struct applet applet_handoff = {
	.name = "handoff",
	.purpose = "leave the image: start the machine's own disk",
	.about = "Takes the first way that is possible and has not led back here: the firmware's "
		 "one-shot entry\n"
		 "for the disk (UEFI), its own kernel by kexec, a flag for the boot server.  Each "
		 "try is counted\n"
		 "on the disk; after three that led back, the image stays and says so on every "
		 "console.",
	.options = options,
	.options_size = sizeof(struct handoff_options),
	.run = handoff_run,
};
