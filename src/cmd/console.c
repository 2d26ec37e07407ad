/* etcd-rescue console: one console's end of the menu. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "cmd/console.h"
#include "cmd/entered.h"
#include "os/file.h"
#include "ui/password.h"

enum { RETRY_MS = 1000, FIRST_MS = 700, HASH_MAX = 1024, WRONG_S = 3, SHELL_STATUS = 9 };

struct console_options {
	struct option_common common;
	const char *socket, *root;
};

enum next { GO_ON, END, SHELL };

static bool locked(const struct console_screen *c)
{
	return password_lock(c->hash) == PASSWORD_CLOSED;
}

/* What this console may do of what is offered. */
static struct menu_state allowed(const struct console_screen *c)
{
	struct menu_state state = c->state;

	/* Whoever locked the image with no key at all wants nobody to write from here. */
	if (locked(c))
		state.offers &= 1u << MENU_PLAN | 1u << MENU_DISK;
	return state;
}

static void say_idle(struct console_screen *c)
{
	if (locked(c))
		prompt_say(&c->prompt, "\netcd-rescue is at work; this image has no shell.\n");
	else
		prompt_say(&c->prompt, "\nPress Enter for a shell.\n");
}

static void show_menu(struct console_screen *c)
{
	CLEAN_BUF struct buf text = BUF(8192);
	const struct menu_state state = allowed(c);
	struct err ignored;

	if (!menu_print(&text, &state, &ignored))
		prompt_say(&c->prompt, "%.*s", (int)text.len, (const char *)text.p);
}

static void connect_to_boot(struct console_screen *c)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	if (strlen(c->socket) >= sizeof name.sun_path)
		return;
	strcpy(name.sun_path, c->socket);
	c->server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->server >= 0 && connect(c->server, (struct sockaddr *)&name, sizeof name))
		file_close(&c->server);
}

static void forget_server(struct console_screen *c)
{
	file_close(&c->server);
	c->state = (struct menu_state){ .mode = MENU_BUSY };
	prompt_input(&c->prompt, PROMPT_LINES);
}

/* Take what the boot process says now; true when it said something. */
static bool hear(struct console_screen *c)
{
	char text[MENU_MESSAGE];
	const enum menu_mode before = c->state.mode;
	bool heard = false;
	struct err ignored;

	while (c->server >= 0) {
		const ssize_t n = recv(c->server, text, sizeof text, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			forget_server(c);
			break;
		}
		heard = !menu_state_read(&c->state, (struct str){ text, (size_t)n }, &ignored) ||
			heard;
	}
	if (c->state.mode != before)
		prompt_input(
			&c->prompt, c->state.mode == MENU_COUNTDOWN ? PROMPT_KEYS : PROMPT_LINES);
	return heard;
}

static void tell(struct console_screen *c, enum menu_choice choice, const char *file)
{
	struct menu_ask ask = { .choice = choice };
	char text[MENU_MESSAGE];

	snprintf(ask.who, sizeof ask.who, "%s", c->who);
	snprintf(ask.file, sizeof ask.file, "%s", file);
	const size_t len = menu_ask_write(text, &ask);
	if (c->server < 0 ||
		send(c->server, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		prompt_say(&c->prompt, "nobody listens: etcd-rescue boot has ended\n");
}

/* Shells ask for it themselves. */
static bool knows_password(struct console_screen *c)
{
	char typed[256] = "";
	struct err e = { 0 };

	if (password_lock(c->hash) == PASSWORD_NONE)
		return true;
	const bool right = !prompt_secret(&c->prompt, typed, sizeof typed, "Password", &e) &&
			   password_matches(c->hash, typed);
	explicit_bzero(typed, sizeof typed);
	if (!right) {
		sleep(WRONG_S);
		prompt_say(&c->prompt, "That is not the password.\n");
	}
	return right;
}

static bool says_yes(struct console_screen *c, const char *question)
{
	char answer[16];
	struct err ignored;

	return !prompt_ask(&c->prompt, answer, sizeof answer, question, "", &ignored) &&
	       !strcasecmp(answer, "yes");
}

/* Somebody else may have been faster while this one thought. */
static bool still_waiting(struct console_screen *c)
{
	hear(c);
	if (c->state.mode == MENU_WAITING)
		return true;
	prompt_say(&c->prompt, "Too late: %s on %s.\n", c->state.head, c->state.who);
	return false;
}

static void restore_by(struct console_screen *c,
	int (*dialogue)(const char **plan, struct console_screen *c, struct err *e))
{
	const char *plan = "";
	struct err e = { 0 };

	if (dialogue(&plan, c, &e) || console_unlock(c, plan, &e))
		prompt_say(&c->prompt, "%s\n", e.text);
	else if (still_waiting(c))
		tell(c, MENU_RESTORE, plan);
	else
		entered_wipe(c->entered, c->who);
}

static enum next act(struct console_screen *c, enum menu_choice choice)
{
	static const char *const plan[] = { "/proc/self/exe", "plan", NULL };
	struct err e = { 0 };

	switch (choice) {
	case MENU_SHELL:
		return SHELL;
	case MENU_PLAN:
		if (console_show(c, plan, &e))
			prompt_say(&c->prompt, "%s\n", e.text);
		break;
	case MENU_RESTORE:
		if (!knows_password(c))
			break;
		if (!says_yes(c, "This replaces etcd on this machine.  yes, or Enter for no"))
			prompt_say(&c->prompt, "Nothing is done.\n");
		else if (console_unlock(c, "", &e))
			prompt_say(&c->prompt, "%s; nothing is done.\n", e.text);
		else if (still_waiting(c)) {
			tell(c, choice, "");
			return GO_ON;
		} else
			entered_wipe(c->entered, c->who);
		break;
	case MENU_SOURCE:
		if (knows_password(c))
			restore_by(c, console_enter_source);
		break;
	case MENU_SNAPSHOT:
		if (knows_password(c))
			restore_by(c, console_choose_snapshot);
		break;
	case MENU_AGAIN:
	case MENU_DISK:
		if (still_waiting(c))
			tell(c, choice, "");
		return GO_ON;
	default:
		prompt_say(&c->prompt, "There is no such choice.\n");
	}
	/* After a choice that was told the boot process speaks next. */
	if (hear(c), c->state.mode == MENU_WAITING)
		show_menu(c);
	return GO_ON;
}

/* Something was typed. */
static enum next typed(struct console_screen *c)
{
	char text[256];
	struct err e = { 0 };

	hear(c);
	if (c->state.mode == MENU_COUNTDOWN) {
		char key;
		if (read(c->prompt.in, &key, 1) <= 0)
			return END;
		tell(c, MENU_KEY, "");
		return GO_ON;
	}
	if (prompt_read(&c->prompt, text, sizeof text, &e)) {
		if (e.code == ERR_NOTFOUND)
			return END;
		text[0] = '\0';
		if (c->state.mode == MENU_WAITING)
			show_menu(c);
		return GO_ON;
	}
	const struct menu_state state = allowed(c);
	if (c->state.mode == MENU_WAITING)
		return act(c, menu_pick(&state, str_from(text)));
	return locked(c) ? GO_ON : SHELL;
}

static enum next attend(struct console_screen *c)
{
	const int64_t start = monotonic_ms();
	bool greeted = false;

	for (;;) {
		struct pollfd p[2] = { { .fd = c->prompt.in, .events = POLLIN },
			{ .fd = c->server, .events = POLLIN } };
		const int64_t waited = monotonic_ms() - start;
		const int wait = !greeted        ? (int)(waited < FIRST_MS ? FIRST_MS - waited : 0)
				 : c->server < 0 ? RETRY_MS
						 : -1;
		if (c->server < 0)
			connect_to_boot(c);
		p[1].fd = c->server;
		if (poll(p, 2, wait) < 0 && errno != EINTR)
			return END;
		if (p[1].revents && hear(c) && !greeted && c->state.mode == MENU_WAITING) {
			/* The others have seen it when it was offered. */
			show_menu(c);
			greeted = true;
		}
		if (!greeted && monotonic_ms() - start >= FIRST_MS) {
			if (c->state.mode == MENU_BUSY)
				say_idle(c);
			greeted = true;
		}
		if (!p[0].revents)
			continue;
		const enum next next = typed(c);
		if (next != GO_ON)
			return next;
		greeted = true;
	}
}

static const char *beside(struct arena *a, const char *socket, const char *name)
{
	const char *slash = strrchr(socket, '/');

	return arena_print(
		a, "%.*s/%s", slash ? (int)(slash - socket) : 1, slash ? socket : ".", name);
}

static void find_name(struct console_screen *c)
{
	char path[64] = "";

	ttyname_r(c->prompt.in, path, sizeof path);
	const char *name = !strncmp(path, "/dev/", 5) ? path + 5 : "console";
	snprintf(c->who, sizeof c->who, "%.31s", name);
	for (char *p = c->who; *p; p++)
		*p = *p == '/' ? '.' : *p;
}

static int console_run(struct app *app, struct err *e)
{
	const struct console_options *o = app->options;
	CLEAN_ROOT struct root other = NO_ROOT;
	CLEAN_BUF struct buf hash = BUF(HASH_MAX);
	struct console_screen *c = arena_alloc(app->arena, sizeof *c);
	struct err why = { 0 };

	c->app = app;
	c->server = -1;
	c->socket = o->socket ? o->socket : "/run/etcd-rescue/menu";
	c->found = beside(app->arena, c->socket, "found.yaml");
	c->entered = beside(app->arena, c->socket, "entered");
	if (o->root && root_open(&other, o->root, e))
		return e->code;
	/* A file that cannot be read locks, too. */
	const int failed = file_read(
		&hash, o->root ? &other : &app->root, "/etc/etcd-rescue/shell-password", &why);
	if (!failed || why.code != ERR_NOTFOUND)
		c->hash = failed ? "" : arena_copy(app->arena, str_trim(buf_text(&hash)));
	signal(SIGPIPE, SIG_IGN);
	prompt_start(&c->prompt, STDIN_FILENO, STDOUT_FILENO);
	find_name(c);
	const enum next next = attend(c);
	prompt_end(&c->prompt);
	if (next == SHELL && c->server >= 0)
		tell(c, MENU_SHELL, "");
	file_close(&c->server);
	/* Whoever started this starts a shell for any status but 0. */
	if (next == SHELL)
		_exit(SHELL_STATUS);
	return 0;
}

static const struct option_row rows[] = {
	{ "socket", 0, OPTION_TEXT, offsetof(struct console_options, socket), "FILE",
		"where etcd-rescue boot offers the menu (/run/etcd-rescue/menu)" },
	{ "root", 0, OPTION_TEXT, offsetof(struct console_options, root), "DIR",
		"read etc/etcd-rescue/shell-password below DIR" },
	{ 0 },
};

const struct applet applet_console = {
	.name = "console",
	.purpose = "the menu of the image on this terminal",
	.about = "Init runs one on every console.  While etcd-rescue boot is at work, Enter is a\n"
		 "shell; while it counts down to a restore any key stops it; while it waits for a\n"
		 "person it is the menu.  The first choice on any console counts.  Exit status 9:\n"
		 "a shell is wanted.",
	.options = rows,
	.options_size = sizeof(struct console_options),
	.run = console_run,
};
