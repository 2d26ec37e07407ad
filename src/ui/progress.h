/* ui/progress.h - how far, how fast and how long still, out of progress events
 *
 *   fetch: 512 MB of 2.1 GB (24 %), 412 MB/s, 4 s left
 *
 * The rate is that of the last ten seconds or so, so that a connection that got slow shows;
 * the time left follows from it.  A count that goes back is another thing that began.
 *
 * Source:     the events of base/event.h.
 * Units:      bytes, milliseconds; shown in powers of 1000.
 * Ownership:  a value.
 * Errors:     none.
 */
#pragma once

#include <stddef.h>

#include "base/event.h"

enum { PROGRESS_MARKS = 8, PROGRESS_LINE = 160 };

struct progress {
	struct {
		uint64_t ms, done;
	} marks[PROGRESS_MARKS]; /* one every 1.25 s, the oldest first */
	size_t n;
	uint64_t done, total, rate; /* bytes a second; 0: not known yet */
};

void progress_take(struct progress *p, uint64_t now_ms, uint64_t done, uint64_t total);

/* Seconds that are left; UINT64_MAX: nobody knows. */
uint64_t progress_left(const struct progress *p);

void progress_line(char line[PROGRESS_LINE], const struct progress *p, const char *step);
