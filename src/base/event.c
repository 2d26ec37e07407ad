#include "base/event.h"

#include <stdarg.h>
#include <stdio.h>

static void tell(const struct listener *l, struct event event)
{
	if (l && l->hear)
		l->hear(l->ctx, &event);
}

void event_step(const struct listener *l, const char *step, const char *text)
{
	tell(l, (struct event){ .kind = EVENT_STEP, .step = step, .text = text });
}

void event_done(const struct listener *l, const char *step, const char *text)
{
	tell(l, (struct event){ .kind = EVENT_DONE, .step = step, .text = text });
}

void event_failed(const struct listener *l, const char *step, const char *text)
{
	tell(l, (struct event){ .kind = EVENT_FAILED, .step = step, .text = text });
}

void event_progress(const struct listener *l, const char *step, uint64_t done, uint64_t total)
{
	tell(l, (struct event){ EVENT_PROGRESS, step, NULL, NULL, done, total });
}

__attribute__((format(printf, 4, 0))) static void say(const struct listener *l,
	enum event_kind kind, const char *step, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof text, fmt, ap);
	/* As in an error: names out of a hostile file must not talk to the terminal. */
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	tell(l, (struct event){ .kind = kind, .step = step, .text = text });
}

void event_info(const struct listener *l, const char *step, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, EVENT_INFO, step, fmt, ap);
	va_end(ap);
}

void event_warning(const struct listener *l, const char *step, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, EVENT_WARNING, step, fmt, ap);
	va_end(ap);
}

void event_debug(const struct listener *l, const char *step, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(l, EVENT_DEBUG, step, fmt, ap);
	va_end(ap);
}

const char *event_word(enum event_kind kind)
{
	static const char *const words[] = {
		[EVENT_STEP] = "step",
		[EVENT_DONE] = "done",
		[EVENT_FAILED] = "failed",
		[EVENT_PROGRESS] = "progress",
		[EVENT_INFO] = "info",
		[EVENT_WARNING] = "warning",
		[EVENT_DEBUG] = "debug",
	};
	return words[kind];
}
