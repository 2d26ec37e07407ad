/* What the image runs once it has started, and what a person runs to see it again. */
#include "cmd/boot_menu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "plan/report.h"
#include "ui/console.h"
#include "ui/json.h"
#include "ui/speaker.h"

enum { REPORT_MAX = 4 * 1024 * 1024 };

static const char run_directory[] = "/run/etcd-rescue";
static const char log_path[] = "/run/etcd-rescue/boot.log";
static const char lock_path[] = "/run/etcd-rescue/boot.lock";

struct boot_options {
	struct option_common common;
	bool dry_run;
	const char *root;
};

/* Steps, warnings and failures go into the kernel's log too: it outlives this program, and a
 * BMC or netconsole may carry it away. */
struct tee {
	struct listener screen;
};

static void hear(void *ctx, const struct event *ev)
{
	const struct tee *tee = ctx;
	char line[800];

	tee->screen.hear(tee->screen.ctx, ev);
	if (ev->kind == EVENT_PROGRESS || ev->kind == EVENT_DEBUG)
		return;
	const bool bad = ev->kind == EVENT_WARNING || ev->kind == EVENT_FAILED;
	snprintf(line, sizeof line, "%s: %s", ev->step, ev->text ? ev->text : event_word(ev->kind));
	kmsg_write(bad ? 4 : 6, line);
}

/* PID 1 started this, so nobody chose where the text goes: it goes to every console that
 * lives, and into the log. */
static void speak_to_all(struct boot *b)
{
	const char *paths[SPEAKER_MAX];
	struct err e = { 0 };
	size_t n = 0;
	int out;

	tty_list(&b->ttys, &b->n_ttys, b->arena, b->root);
	paths[n++] = log_path;
	for (size_t i = 0; i < b->n_ttys && n < SPEAKER_MAX; i++) {
		if (b->ttys[i].answers)
			paths[n++] = arena_print(b->arena, "/dev/%s", b->ttys[i].name);
	}
	if (n == 1)
		paths[n++] = "/dev/console";
	if (speaker_start(&out, paths, n, &e))
		return; /* what init gave us is better than nothing */
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close(out);
}

/* One boot at a time: two would fight over the network.  The lock dies with the process. */
static bool take_lock(struct boot *b, struct err *e)
{
	const int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		err_sys(e, "%s", lock_path);
		return false;
	}
	/* Not flock, which a child stuck on a dead disk would keep. */
	const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (!fcntl(fd, F_SETLK, &whole)) {
		b->lock = fd;
		return true;
	}
	err_set(e, ERR_DECLINED,
		"the image is still starting, its steps are in %s; what it sees so far: "
		"etcd-rescue boot --dry-run",
		log_path);
	close(fd);
	return false;
}

/* Loading drivers and setting the network is for the image; on a host it would be an accident. */
static int must_be_image(struct boot *b, struct err *e)
{
	if (getuid())
		return err_set(e, ERR_DECLINED,
			"only root may load drivers and set the network; --dry-run only looks");
	if (access("/etc/etcd-rescue", F_OK) || access("/bin/modprobe", X_OK) ||
		access("/init", F_OK))
		return err_set(e, ERR_DECLINED,
			"this is not the rescue image, so nothing is loaded or changed here; "
			"--dry-run only looks");
	if (mkdir(run_directory, 0755) && errno != EEXIST)
		return err_sys(e, "%s", run_directory);
	return take_lock(b, e) ? 0 : e->code;
}

static int print(const struct boot *b,
	int (*write)(struct buf *out, const struct boot *b, struct err *e), struct err *e)
{
	CLEAN_BUF struct buf out = BUF(REPORT_MAX);

	return write(&out, b, e) ? e->code : app_print(&out, e);
}

/* Whoever only looks wants to know by the exit status whether it would work. */
static int judge(const struct boot *b, struct err *e)
{
	if (b->image.state == IMAGE_INCOMPLETE || (b->image.state == IMAGE_UNKNOWN && !b->dry))
		return err_set(e, ERR_MISMATCH,
			"this image is not complete, so nothing will be restored with it; see "
			"above");
	if (b->dry && b->plan_trouble)
		return err_set(e, ERR_MISMATCH,
			"the plan cannot be used, so nothing would be restored; see above");
	return 0;
}

/* Whatever goes wrong in one step, the next one may still help the person at the console. */
static int run_steps(struct boot *b, bool json, struct err *e)
{
	const char *const *words;
	size_t n_words;

	if (!b->dry)
		event_step(b->listener, "boot",
			"etcd-rescue " VERSION
			" looks at this machine; nothing is written to its disks");
	boot_check_image(b);
	boot_check_memory(b);
	if (!b->dry)
		boot_load_drivers(b);
	boot_look(b);
	boot_warn(b);
	if (!json && print(b, boot_print_text, e))
		return e->code;
	boot_search_local_plan(b, &words, &n_words);
	boot_describe_network(b, words, n_words);
	boot_bring_network_up(b);
	boot_warn_firmware(b);
	boot_set_clock(b);
	boot_search_plan(b);
	boot_check_memory(b);
	if (print(b, json ? boot_print_json : boot_print_next, e))
		return e->code;
	return judge(b, e);
}

/* A boot that knows nothing yet, of the same machine. */
static struct boot *fresh(const struct boot *before)
{
	struct boot *b = arena_alloc(before->arena, sizeof *b);

	*b = (struct boot){
		.arena = before->arena,
		.root = before->root,
		.listener = before->listener,
		.screen = before->screen,
		.lock = -1,
	};
	return b;
}

/* What init started: it stays, offers the menu, and looks again when somebody wants that. */
static int stay(struct boot *b, struct err *e)
{
	struct menu_server server = NO_MENU_SERVER;

	/* Without a menu there are still the shells. */
	if (menu_server_open(&server, BOOT_SOCKET, e))
		event_warning(b->listener, "boot", "no menu: %s", e->text);
	for (bool first = true;; first = false) {
		*e = (struct err){ 0 };
		if (run_steps(b, false, e))
			event_failed(b->listener, "boot", e->text);
		file_close(&b->lock);
		if (server.fd < 0)
			return e->code;
		boot_menu(b, &server, first);
		b = fresh(b);
		if (!take_lock(b, e))
			event_warning(b->listener, "boot", "%s", e->text);
	}
}

static int boot_run(struct app *app, struct err *e)
{
	const struct boot_options *o = app->options;
	CLEAN_ROOT struct root other = NO_ROOT;
	struct boot *b = arena_alloc(app->arena, sizeof *b);
	struct console console = { 0 };
	struct tee tee;
	struct listener listener = { hear, &tee };
	struct ui_json ui;

	b->arena = app->arena;
	b->root = &app->root;
	b->listener = app->listener;
	b->dry = o->dry_run;
	b->lock = -1;
	if (o->root) {
		if (!b->dry)
			return err_set(e, ERR_USAGE, "--root goes with --dry-run only");
		if (root_open(&other, o->root, e))
			return e->code;
		b->root = &other;
		b->other_root = true;
	}
	if (b->dry)
		return run_steps(b, o->common.json, e);

	if (must_be_image(b, e))
		return e->code;
	const bool by_init = getppid() == 1;
	if (by_init) {
		speak_to_all(b);
		/* A console's "press Enter" may stand on the line already. */
		dprintf(STDOUT_FILENO, "\n");
	}
	tee.screen = o->common.json ? ui_json_listener(&ui, STDERR_FILENO)
				    : console_listener(&console, STDERR_FILENO, o->common.quiet,
					      o->common.verbose);
	/* What the speaker passes on goes to serial lines, too. */
	if (by_init)
		console.shows = CONSOLE_LINES;
	b->listener = &listener;
	if (!by_init || o->common.json)
		return run_steps(b, o->common.json, e);
	b->screen = &listener;
	struct report *report = report_open(app->arena,
		&(struct report_wish){ .dir = run_directory, .image = true, .next = &listener });
	const struct listener kept = report_listener(report);
	b->listener = &kept;
	return stay(b, e);
}

static const struct option_row options[] = {
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct boot_options, dry_run), NULL,
		"only look: load no driver, leave network and clock alone" },
	{ "root", 0, OPTION_TEXT, offsetof(struct boot_options, root), "DIR",
		"look at the machine whose /proc, /sys and /dev are below DIR" },
	{ 0 },
};

const struct applet applet_boot = {
	.name = "boot",
	.purpose = "find out what this machine is, and bring up its drivers and network",
	.about =
		"The image starts this once.  It checks that all of the image arrived, loads\n"
		"drivers, says what the machine is made of, sets network and clock by the kernel\n"
		"line, looks for a plan and says what to do next.  No disk is written to.  As the\n"
		"one that init started it goes on: a plan with auto: yes is carried out after ten\n"
		"seconds in which any key stops it, else every console shows the menu.",
	.options = options,
	.options_size = sizeof(struct boot_options),
	.run = boot_run,
};
