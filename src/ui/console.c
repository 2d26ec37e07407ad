#include "ui/console.h"
#include "base/monotonic.h"

#include <inttypes.h>
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
	char line[160], share[32] = "", speed[48] = "";

	if (!c->started_ms || ev->done < c->started_done) {
		c->started_ms = now;
		c->started_done = ev->done;
		c->last_ms = now;
		return;
	}
	const bool last = ev->total && ev->done >= ev->total;
	if (!last && now - c->last_ms < (c->terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS))
		return;
	c->last_ms = now;
	if (ev->total)
		snprintf(share, sizeof share, " of %" PRIu64 " MB (%" PRIu64 " %%)",
			ev->total / 1000000,
			ev->total >= 100 ? ev->done / (ev->total / 100) : (uint64_t)100);
	if (now > c->started_ms)
		snprintf(speed, sizeof speed, ", %" PRIu64 " MB/s",
			(ev->done - c->started_done) / 1000 / (now - c->started_ms));
	snprintf(line, sizeof line, "%s  %s: %" PRIu64 " MB%s%s%s", c->terminal ? "\r\033[K" : "",
		ev->step, ev->done / 1000000, share, speed, c->terminal ? "" : "\n");
	put(c, line);
	c->line_open = c->terminal;
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
		if (!c->quiet)
			progress(c, ev);
		return;
	}
	if (ev->kind == EVENT_DEBUG && !c->verbose)
		return;
	if (c->quiet && ev->kind != EVENT_WARNING && ev->kind != EVENT_FAILED)
		return;
	if (c->line_open)
		put(c, "\n");
	c->line_open = false;
	c->started_ms = 0;
	snprintf(line, sizeof line, "%s%s: %s\n", mark(ev->kind), ev->step,
		ev->text ? ev->text : event_word(ev->kind));
	put(c, line);
}

struct listener console_listener(struct console *c, int fd, bool quiet, bool verbose)
{
	*c = (struct console){
		.fd = fd, .quiet = quiet, .verbose = verbose, .terminal = isatty(fd) == 1
	};
	return (struct listener){ hear, c };
}
