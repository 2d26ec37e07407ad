/* Restore, or ask: the countdown, the menu, and what becomes of a choice. */
#include "cmd/boot_menu.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "cmd/entered.h"
#include "net/url.h"
#include "os/file.h"
#include "os/process.h"
#include "plan/delivery.h"
#include "plan/show.h"
#include "plan/signature.h"

enum { WAIT_S = 10, SECONDS_MAX = 86400, TEXT_MAX = 8192, FOUND_MAX = 1 << 20, BUNDLE_MS = 60000 };
enum { RETRY_S = 30, RETRY_MS = 3600 * 1000 };

static const char keys_path[] = "/etc/etcd-rescue/keys";
static const char rule[] =
	"=============================================================================\n";

struct situation {
	struct boot *b;
	struct menu_server *s;
	bool attempted; /* something was done already: an idle menu waits for a person */
	bool restored;
	bool unreached; /* nothing was changed, since the source did not answer */
	char why[640];  /* it waits, for the head */
};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* By way of the speaker: to every console that lives. */
static void say(const char *fmt, ...)
{
	char text[TEXT_MAX];
	struct err ignored;
	va_list ap;

	va_start(ap, fmt);
	const int len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	file_write(STDOUT_FILENO, text, len < TEXT_MAX ? (size_t)len : TEXT_MAX - 1, &ignored);
}

static unsigned seconds_of(
	const struct boot *b, const char *word, const char *text, unsigned initial)
{
	uint64_t v;

	if (!text)
		return initial;
	if (str_u64(&v, str_from(text), 10, SECONDS_MAX))
		return (unsigned)v;
	event_warning(b->listener, "boot", "%s=%s: not a number of seconds up to %d", word, text,
		SECONDS_MAX);
	return initial;
}

static bool image_is_whole(const struct boot *b)
{
	return b->image.state != IMAGE_INCOMPLETE && b->image.state != IMAGE_UNKNOWN;
}

static bool takes_signed_only(const struct boot *b)
{
	struct signature_keys keys = { 0 };
	struct err ignored;

	/* A key that cannot be read opens nothing. */
	return signature_keys_read(&keys, b->arena, b->root, keys_path, &ignored) || keys.n;
}

static unsigned offers(const struct boot *b)
{
	const bool signed_only = takes_signed_only(b), whole = image_is_whole(b);
	unsigned o = 1u << MENU_SHELL | 1u << MENU_DISK | 1u << MENU_AGAIN;

	if (b->plan_found)
		o |= 1u << MENU_PLAN;
	if (b->plan_found && whole)
		o |= 1u << MENU_RESTORE;
	if (whole && !signed_only)
		o |= 1u << MENU_SOURCE;
	if (b->plan_found && whole && !signed_only)
		o |= 1u << MENU_SNAPSHOT;
	return o;
}

/* Why a restore does not begin by itself; NULL: it does. */
static const char *why_attended(const struct situation *now)
{
	const struct boot *b = now->b;

	if (!image_is_whole(b))
		return "this image is damaged; boot it again or from another medium";
	if (!b->plan_found)
		return "";
	if (!b->delivery->plan.automatic)
		return "the plan does not say auto: yes";
	if (!b->delivery->may_run_unattended)
		return b->delivery->why_attended;
	if (!strcmp(b->delivery->plan.storage.luks_key, "ask"))
		return "the plan says storage: {luks-key: ask}: somebody has to type a passphrase";
	if (now->s->shell[0])
		return arena_print(b->arena, "somebody took a shell on %s", now->s->shell);
	return NULL;
}

static void make_head(struct menu_state *state, const struct situation *now)
{
	const struct boot *b = now->b;
	size_t n = 0;

	if (b->plan_found) {
		const struct delivery *d = b->delivery;
		n = (size_t)snprintf(state->head, sizeof state->head,
			"plan      %.100s (%s)%s%.60s\nsource    %.200s\n", d->name,
			delivery_way_word(d->way), d->signed_by ? ", signed by " : "",
			d->signed_by ? d->signed_by : "", url_text_shown(b->arena, d->plan.source));
	} else if (b->plan_trouble) {
		n = (size_t)snprintf(state->head, sizeof state->head,
			"plan      cannot be used: %.400s\n", b->plan_trouble);
	} else {
		n = (size_t)snprintf(state->head, sizeof state->head,
			"plan      there is none, so nothing is restored unless you say so\n");
	}
	if (now->why[0] && n < sizeof state->head)
		snprintf(state->head + n, sizeof state->head - n, "waits     %.600s\n", now->why);
}

/* The consoles choose snapshots by it; without secrets, and nobody's but root's. */
static void leave_found_plan(const struct boot *b)
{
	CLEAN_BUF struct buf text = BUF(FOUND_MAX);
	struct err e = { 0 };

	unlink(BOOT_FOUND);
	if (!b->plan_found || plan_show(&text, b->arena, &b->delivery->plan, &e))
		return;
	CLOSE_FD int fd = open(BOOT_FOUND, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || file_write(fd, text.p, text.len, &e))
		event_warning(b->listener, "boot", "%s cannot be written", BOOT_FOUND);
}

/* True: nobody stopped it. */
static bool count_down(struct situation *now, unsigned left)
{
	const struct boot *b = now->b;
	struct menu_state state = { .mode = MENU_COUNTDOWN };
	struct menu_ask ask;

	make_head(&state, now);
	event_step(b->listener, "ask", "is anybody there who wants something else?");
	/* First the consoles, which drop what was typed before; then the words for it. */
	state.seconds = left;
	menu_server_tell(now->s, &state);
	menu_server_wait(now->s, &ask, -1, 200);
	say("\n%s  RESTORE BEGINS in %u seconds, by the plan %s.\n"
	    "  Any key on any console stops it and shows the menu.\n%s",
		rule, left, b->delivery->name, rule);
	/* Also for those who were at work on a console and could not be heard till now. */
	for (bool first = true; left || first; first = false) {
		state.seconds = left;
		menu_server_tell(now->s, &state);
		if (left <= 5 || left % 5 == 0)
			say(" %u", left);
		if (menu_server_wait(now->s, &ask, -1, left ? 1000 : 100)) {
			say("\n");
			snprintf(now->why, sizeof now->why, "stopped by a key on %s", ask.who);
			return false;
		}
		left -= left ? 1 : 0;
	}
	say("\n");
	return true;
}

static void tell_busy(struct situation *now, const char *who, const char *what)
{
	struct menu_state state = { .mode = MENU_BUSY };

	snprintf(state.who, sizeof state.who, "%s", who);
	snprintf(state.head, sizeof state.head, "%s", what);
	menu_server_tell(now->s, &state);
}

/* The same for every failure: what, why, what of the disk, what now. */
static void show_failure(struct situation *now, const struct boot_outcome *o, const char *what)
{
	static const char *const bundle[] = { "/bin/etcd-rescue", "report", "--output", BOOT_BUNDLE,
		"--force", NULL };
	struct err e = { 0 };
	int status = 0;

	say("\n%s  %s FAILED%s%s\n  why     %s\n  disk    %s (exit status %d)\n  next    %s\n%s",
		rule, what, o->step[0] ? " in the step " : "", o->step,
		o->reason[0] ? o->reason : "it gave no reason; etcd-rescue's own story is above",
		now->restored ? "restored by this plan" : boot_state_of_target(o->status),
		o->status,
		o->hint[0]       ? o->hint
		: o->status == 4 ? "etcd-rescue run    goes on; etcd-rescue rollback    goes back"
		: o->status == 5
			? "etcd-rescue run    asks again at the gate"
			: "etcd-rescue plan    shows what would be done, and every blocker",
		rule);
	snprintf(now->why, sizeof now->why, "the %s failed%s%s: %.400s", what,
		o->step[0] ? " in the step " : "", o->step, o->reason);
	if (process_run(&status, bundle, BUNDLE_MS, NULL, &e) || status)
		event_warning(now->b->listener, "report", "no post-mortem was written%s%s",
			e.code ? ": " : "", e.code ? e.text : "");
	else
		say("  What happened is kept in %s until the machine restarts.\n", BOOT_BUNDLE);
}

static void do_it(struct situation *now, const char *what, const char *who,
	int (*run)(struct boot_outcome *o, struct situation *now, const void *with, struct err *e),
	const void *with)
{
	struct boot_outcome outcome = { 0 };
	struct err e = { 0 };

	tell_busy(now, who, what);
	if (run(&outcome, now, with, &e)) {
		outcome.status = 1;
		snprintf(outcome.reason, sizeof outcome.reason, "%s", e.text);
	}
	if (outcome.status)
		show_failure(now, &outcome, what);
	else
		snprintf(now->why, sizeof now->why, "the %s is done", what);
}

static int restore(struct boot_outcome *o, struct situation *now, const void *with, struct err *e)
{
	const struct boot_choice *choice = with;

	now->attempted = true;
	now->restored = now->unreached = false;
	if (boot_restore(o, now->b, now->s, choice, e))
		return e->code;
	now->restored = !o->status;
	now->unreached = o->status == 1 && o->unreached;
	return 0;
}

static int boot_disk(struct boot_outcome *o, struct situation *now, const void *with, struct err *e)
{
	static const char *const argv[] = { "/bin/etcd-rescue", "handoff", "--json", "--yes",
		NULL };

	(void)with;
	/* Once is enough for an idle menu: it would try for ever. */
	now->attempted = true;
	/* It wipes what was typed before it leaves, and has to open encrypted disks before that. */
	const int failed = boot_do(o, now->b, now->s, argv, e);
	entered_wipe(ENTERED_DIR, NULL);
	return failed;
}

/* What a restored machine is for.  Whoever wants it to stay says so in the plan. */
static void restore_and_hand_off(
	struct situation *now, const char *who, const struct boot_choice *choice)
{
	do_it(now, "restore", who, restore, choice);
	if (now->restored)
		do_it(now, "hand-off", who, boot_disk, NULL);
}

/* After a power cut all machines come up at once, and an object store is slower than this image. */
static void restore_unattended(struct situation *now)
{
	const struct boot_choice choice = { .unattended = true };
	const int64_t end = monotonic_ms() + RETRY_MS;

	for (;;) {
		restore_and_hand_off(now, "", &choice);
		if (!now->unreached || monotonic_ms() >= end || why_attended(now) ||
			!count_down(now, RETRY_S))
			return;
		if (!now->b->network.result.link)
			boot_bring_network_up(now->b);
	}
}

/* Only a menu that nobody ever answered, and only where the kernel line says so. */
static int idle_ms(const struct situation *now)
{
	const struct boot *b = now->b;
	const unsigned s = seconds_of(b, "rescue.menu", b->cmdline.menu, 0);

	return b->cmdline.menu && !now->attempted && !now->s->shell[0] && s ? (int)s * 1000 : -1;
}

/* False: nobody came, for as long as the kernel line says. */
static bool ask_somebody(struct menu_ask *ask, struct situation *now)
{
	CLEAN_BUF struct buf text = BUF(TEXT_MAX);
	struct menu_state state = { .mode = MENU_WAITING, .offers = offers(now->b) };
	struct err e = { 0 };

	make_head(&state, now);
	event_step(now->b->listener, "ask", "what is done next is for a person to say");
	if (!menu_print(&text, &state, &e))
		say("%.*s", (int)text.len, (const char *)text.p);
	menu_server_tell(now->s, &state);
	return menu_server_wait(now->s, ask, -1, idle_ms(now));
}

void boot_menu(struct boot *b, struct menu_server *s, bool first)
{
	struct situation now = { .b = b, .s = s };
	struct menu_ask ask;

	leave_found_plan(b);
	/* Shells that were asked for while we were busy are heard only now. */
	tell_busy(&now, "", "");
	menu_server_wait(s, &ask, -1, 100);
	const char *why = why_attended(&now);
	if (why || !first)
		snprintf(now.why, sizeof now.why, "%s", why ? why : "looked again");
	else if (count_down(&now, seconds_of(b, "rescue.wait", b->cmdline.wait, WAIT_S)))
		restore_unattended(&now);
	for (;;) {
		if (!ask_somebody(&ask, &now)) {
			say("\nNobody chose in rescue.menu=%s seconds: on to the disk.\n",
				b->cmdline.menu);
			ask = (struct menu_ask){ .choice = MENU_DISK, .who = "nobody" };
		}
		const char *name = menu_word(ask.choice);
		say("\n%s was chosen on %s.\n", name, ask.who);
		if (ask.choice == MENU_AGAIN)
			return;
		if (ask.choice == MENU_DISK) {
			do_it(&now, "hand-off", ask.who, boot_disk, NULL);
		} else {
			const struct boot_choice choice = { .plan = ask.file[0] ? ask.file : NULL };
			restore_and_hand_off(&now, ask.who, &choice);
		}
	}
}
