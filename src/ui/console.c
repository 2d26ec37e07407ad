#include "ui/console.h"
#include "base/monotonic.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 250, PLAIN_EVERY_MS = 5000 };

static void put(struct console *c, const char *line)
{
	/* Nobody to tell when a console refuses; the restore goes on without it. */
	ssize_t n = write(c->fd, line, strlen(line));
	(void)n;
}

static void progress(struct console *c, const struct event *ev)
{
	const uint64_t now = (uint64_t)monotonic_ms();
	const bool is_first = !c->progress.n;
	char text[PROGRESS_LINE], line[PROGRESS_LINE + 16];

	progress_take(&c->progress, now, ev->done, ev->total);
	if (is_first)
		c->last_ms = now;
	const bool rewrites = c->shows == CONSOLE_REWRITES;
	const bool is_last = c->line_open && ev->total && ev->done >= ev->total;
	if (!is_last && now - c->last_ms < (rewrites ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS))
		return;
	c->last_ms = now;
	progress_line(text, &c->progress, ev->step);
	snprintf(line, sizeof line, "%s  %s%s", rewrites ? "\r\033[K" : "", text,
		rewrites ? "" : "\n");
	put(c, line);
	c->line_open = rewrites;
}

void console_end(struct console *c)
{
	if (c->line_open)
		put(c, "\n");
	c->line_open = false;
}

static const char *mark(enum event_kind kind)
{
	switch (kind) {
	case EVENT_STEP:
		return "==> ";
	case EVENT_FAILED:
		return "FAILED ";
	case EVENT_WARNING:
		return "warning: ";
	default:
		return "    ";
	}
}

static void hear(void *ctx, const struct event *ev)
{
	struct console *c = ctx;
	char line[1200];

	if (ev->kind == EVENT_PROGRESS) {
		if (!c->quiet && c->shows != CONSOLE_QUIET)
			progress(c, ev);
		return;
	}
	if (ev->kind == EVENT_DEBUG && !c->verbose)
		return;
	if (c->quiet && ev->kind != EVENT_WARNING && ev->kind != EVENT_FAILED)
		return;
	console_end(c);
	c->progress.n = 0;
	snprintf(line, sizeof line, "%s%s: %s\n", mark(ev->kind), ev->step,
		ev->text ? ev->text : event_word(ev->kind));
	put(c, line);
}

static enum console_progress shows_on(int fd)
{
	static const char *const slow[] = { "/dev/ttyS", "/dev/ttyAMA", "/dev/console" };
	char name[64] = "";

	if (isatty(fd) != 1)
		return CONSOLE_QUIET;
	ttyname_r(fd, name, sizeof name);
	for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
		if (!strncmp(name, slow[i], strlen(slow[i])))
			return CONSOLE_LINES;
	}
	return CONSOLE_REWRITES;
}

struct listener console_listener(struct console *c, int fd, bool quiet, bool verbose)
{
	*c = (struct console){
		.fd = fd, .quiet = quiet, .verbose = verbose, .shows = shows_on(fd)
	};
	return (struct listener){ hear, c };
}
