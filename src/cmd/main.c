/* argv to applet; the one place where errors are printed and the exit status is made. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "cmd/version.h"
#include "codec/json.h"
#include "os/file.h"
#include "ui/console.h"
#include "ui/json.h"

enum { ARENA_LIMIT = 256 * 1024 * 1024, OUTPUT_LIMIT = 1024 * 1024 };

static const char usage[] = "usage: etcd-rescue COMMAND [OPTION...]\n"
			    "       etcd-rescue COMMAND --help\n"
			    "       etcd-rescue --version [--verbose]\n"
			    "\n"
			    "Brings a dead Kubernetes control plane back from an etcd snapshot.\n"
			    "\n";

static int print_usage(struct buf *out, struct err *e)
{
	if (buf_print(out, e, "%sCommands:\n", usage))
		return e->code;
	for (const struct applet *const *a = applets; *a; a++) {
		if (buf_print(out, e, "  %-18s  %s\n", (*a)->name, (*a)->purpose))
			return e->code;
	}
	return buf_print(out, e,
		"\nExit status: 0 done or nothing to do, 1 failed and nothing was changed, 2 "
		"wrong\n"
		"usage, 3 rolled back, 4 neither finished nor rolled back, 5 holding at the gate,\n"
		"6 refused.\n");
}

static int print_help(struct buf *out, const struct applet *a, struct err *e)
{
	if (buf_print(out, e, "usage: etcd-rescue %s [OPTION...]%s%s\n\n%s\n", a->name,
		    a->operands ? " " : "", a->operands ? a->operands : "", a->purpose))
		return e->code;
	if (a->about && buf_print(out, e, "\n%s\n", a->about))
		return e->code;
	if (buf_print(out, e, "\nOptions:\n") || options_describe(out, a->options, e))
		return e->code;
	return options_describe(out, option_common_rows, e);
}

/* The applet called by argv[0], or by one or two words of argv; `*skip` words are its name. */
static const struct applet *find_applet(int *skip, int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *self = slash ? slash + 1 : argv[0];
	char two[128];

	for (const struct applet *const *a = applets; *a; a++) {
		*skip = 0;
		if (!strcmp(self, (*a)->name))
			return *a;
		if (argc > 2) {
			snprintf(two, sizeof two, "%s %s", argv[1], argv[2]);
			*skip = 2;
			if (!strcmp(two, (*a)->name))
				return *a;
		}
		*skip = 1;
		if (argc > 1 && !strcmp(argv[1], (*a)->name))
			return *a;
	}
	return NULL;
}

static int unknown_applet(struct err *e, int argc, char **argv)
{
	const struct str one = str_from(argv[1]);
	const char *nearest = NULL;
	size_t best = one.len / 3 + 2;
	char two[128];

	snprintf(two, sizeof two, "%s%s%s", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
	for (const struct applet *const *a = applets; *a; a++) {
		const struct str name = str_from((*a)->name);
		/* "snapshot" alone, or with a wrong second word, is near to its family. */
		if (str_starts(name, one) && name.p[one.len] == ' ')
			return err_set(
				e, ERR_USAGE, "'%s' is no command; there is '%s'", two, (*a)->name);
		const size_t d = str_distance(one, name);
		if (d < best) {
			best = d;
			nearest = (*a)->name;
		}
	}
	if (nearest)
		return err_set(
			e, ERR_USAGE, "unknown command '%s', did you mean '%s'?", argv[1], nearest);
	return err_set(e, ERR_USAGE, "unknown command '%s'", argv[1]);
}

static void print_error(const struct err *e, const char *applet, bool json)
{
	CLEAN_BUF struct buf out = BUF(16 * 1024);
	struct err ignored;

	if (json) {
		struct json j = JSON(&out);
		json_open(&j, '{');
		json_key_text(&j, "event", "error");
		json_key_text(&j, "command", applet);
		json_key_text(&j, "code", err_word(e->code));
		json_key_text(&j, "text", e->text);
		if (err_advice(e))
			json_key_text(&j, "hint", err_advice(e));
		json_close(&j, '}');
		buf_add(&out, "\n", 1, &ignored);
	} else {
		buf_print(&out, &ignored, "etcd-rescue: %s\n", e->text);
		if (e->code == ERR_USAGE)
			buf_print(&out, &ignored, "  see: etcd-rescue %s%s--help\n", applet,
				*applet ? " " : "");
		else if (err_advice(e))
			buf_print(&out, &ignored, "  %s\n", err_advice(e));
	}
	file_write(STDERR_FILENO, out.p, out.len, &ignored);
}

static int check_operands(const struct applet *a, size_t n, const char *const *v, struct err *e)
{
	if (n < a->min_operands)
		return err_set(e, ERR_USAGE, "%s: %s is missing", a->name, a->operands);
	if (n > a->max_operands)
		return err_set(e, ERR_USAGE, "%s: '%s' is one operand too many", a->name,
			v[a->max_operands]);
	return 0;
}

static int run_applet(const struct applet *a, int argc, char **argv)
{
	struct arena arena = ARENA(ARENA_LIMIT);
	CLEAN_ROOT struct root root = NO_ROOT;
	CLEAN_BUF struct buf help = BUF(OUTPUT_LIMIT);
	struct err e = { 0 };
	int status = 0;
	struct console console = { 0 };
	struct ui_json ui;
	struct listener listener;

	struct option_common *common = arena_alloc(&arena, a->options_size);
	struct app app = { .arena = &arena, .options = common, .listener = &listener };

	if (options_parse(&app.n_operands, common, a->options, argc, argv, &e)) {
		app.status = a->usage_status;
		goto out;
	}
	if (common->help) {
		if (!print_help(&help, a, &e))
			app_print(&help, &e);
		goto out;
	}
	app.operands = (const char *const *)argv;
	if (check_operands(a, app.n_operands, app.operands, &e) || root_open(&root, "/", &e))
		goto out;
	app.root = root;
	listener = common->json ? ui_json_listener(&ui, STDERR_FILENO)
				: console_listener(
					  &console, STDERR_FILENO, common->quiet, common->verbose);
	if (!a->run(&app, &e))
		e.code = ERR_OK; /* what it met on the way, it has dealt with */
out:
	console_end(&console);
	if (e.code) {
		print_error(&e, a->name, common->json);
		status = app.status ? app.status : err_status(e.code);
	}
	arena_free(&arena);
	return status;
}

static int no_applet(int argc, char **argv)
{
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	struct err e = { 0 };

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
				!strcmp(argv[1], "help"))) {
		if (!print_usage(&out, &e))
			app_print(&out, &e);
	} else if (argc > 1 && !strcmp(argv[1], "--version")) {
		const bool all = argc > 2 && !strcmp(argv[2], "--verbose");
		if (!version_print(&out, all, &e))
			app_print(&out, &e);
	} else if (argc > 1) {
		unknown_applet(&e, argc, argv);
	} else {
		err_set(&e, ERR_USAGE, "which command?");
	}
	if (e.code)
		print_error(&e, "", false);
	return e.code ? err_status(e.code) : 0;
}

int main(int argc, char **argv)
{
	int skip = 0;

	if (argc < 1)
		return 2;
	/* Ignored signals are inherited; with this one nobody would learn how a child ended. */
	signal(SIGCHLD, SIG_DFL);
	const struct applet *a = find_applet(&skip, argc, argv);
	return a ? run_applet(a, argc - skip, argv + skip) : no_applet(argc, argv);
}
