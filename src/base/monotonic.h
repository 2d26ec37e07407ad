/* base/monotonic.h - the clock that only goes forward, for waiting and for deadlines
 *
 * It stands still in no case and jumps in none, whatever sets the date; it says nothing
 * about what day it is.
 *
 * Source:     clock_gettime(2), CLOCK_MONOTONIC.
 * Units:      milliseconds since some moment before this program began.
 * Ownership:  a value.
 * Errors:     none.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
