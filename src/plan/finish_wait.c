#include "plan/finish_wait.h"

#include <time.h>

enum { PAUSE_MS = 2000, SLICE_MS = 200, TELL_MS = 30000 };

int finish_wait_nap(const struct finish_wait *w, int64_t ms, struct err *e)
{
	const int64_t until = monotonic_ms() + ms;

	while (monotonic_ms() < until) {
		const struct timespec slice = { 0, SLICE_MS * 1000000L };
		if (w->stopped && w->stopped(w->ctx, e))
			return e->code;
		nanosleep(&slice, NULL);
	}
	return 0;
}

bool finish_wait_again(struct finish_wait *w, const char *what, struct err *e)
{
	const int64_t now = monotonic_ms(), left = w->deadline_ms - now;

	if (left <= 0)
		return false;
	if (!w->told_ms || now - w->told_ms >= TELL_MS) {
		event_info(w->listener, w->step, "%s%snot yet, %lld s left: %s", what ? what : "",
			what ? ": " : "", (long long)left / 1000, e->text);
		w->told_ms = now;
	}
	*e = (struct err){ 0 };
	return !finish_wait_nap(w, PAUSE_MS < left ? PAUSE_MS : left, e);
}
