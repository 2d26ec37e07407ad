/* base/event.h - what happened, as data: libraries tell, the user interface shows
 *
 * The only way from a lower layer to a person.  A function that takes long, or finds
 * something worth saying that is not an error, takes a `const struct listener *`.  The
 * kinds and the words of their fields are what --json prints; they are added to, never
 * renamed.
 *
 * Source:     none.
 * Units:      progress in bytes unless `unit` says otherwise.
 * Ownership:  an event and its texts live until the listener returns.
 * Errors:     none; a listener cannot fail its caller.  A NULL listener hears nothing.
 */
#pragma once

#include <stdint.h>

enum event_kind {
	EVENT_STEP,     /* a step begins; `step` names it */
	EVENT_DONE,     /* the step ended well */
	EVENT_FAILED,   /* the step ended badly; `text` says why */
	EVENT_PROGRESS, /* done of total (0: not known) */
	EVENT_INFO,
	EVENT_WARNING,
	EVENT_DEBUG,
};

struct event {
	enum event_kind kind;
	const char *step; /* the step or part that speaks: "network", "fetch" */
	const char *text;
	const char *unit; /* NULL: bytes */
	uint64_t done, total;
};

struct listener {
	void (*hear)(void *ctx, const struct event *event);
	void *ctx;
};

void event_step(const struct listener *l, const char *step, const char *text);
void event_done(const struct listener *l, const char *step, const char *text);
void event_failed(const struct listener *l, const char *step, const char *text);
void event_progress(const struct listener *l, const char *step, uint64_t done, uint64_t total);
void event_info(const struct listener *l, const char *step, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void event_warning(const struct listener *l, const char *step, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void event_debug(const struct listener *l, const char *step, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The stable word of a kind: "step", "done", "failed", "progress", "info", ... */
const char *event_word(enum event_kind kind);
