/* plan/finish_wait.h - waiting for what may come yet: until a deadline, or until it is stopped
 *
 *   while (ask(e)) {
 *           if (!finish_wait_again(&wait, "the API server", e))
 *                   return e->code;
 *   }
 *
 * Every half minute the listener hears what is missing, and how long there is.
 *
 * Source:     none.
 * Units:      milliseconds of base/monotonic.h.
 * Ownership:  borrows what is set before.
 * Errors:     the last reason at the deadline; else what `stopped` says.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/event.h"
#include "base/monotonic.h"

struct finish_wait {
	const struct listener *listener;
	const char *step;
	int64_t deadline_ms;
	int (*stopped)(void *ctx, struct err *e); /* asked while it waits; NULL: never stops */
	void *ctx;
	int64_t told_ms; /* the last word; 0: the first one comes at once */
};

static inline int64_t finish_wait_left(const struct finish_wait *w)
{
	return w->deadline_ms - monotonic_ms();
}

/* Sleeps so long, whatever the deadline. */
int finish_wait_nap(const struct finish_wait *w, int64_t ms, struct err *e);

/* Once more?  `e` says why not yet, and is cleared; `what` is waited for, NULL: the step says it.
 */
bool finish_wait_again(struct finish_wait *w, const char *what, struct err *e);
