/* os/clock.h - is the clock believable, and setting it
 *
 * A machine that lay on a shelf wakes up in 1970, and then no certificate is valid.  The
 * clock is not believed when it is before the floor: the day this image's kernel was
 * built (/proc/version) or the image itself (its manifest), whichever is later; nor when
 * it is more than 20 years after it.  node/clock.h puts the ways to the true time
 * together.
 *
 * Source:     clock_settime(2), rtc(4); ntpd of BusyBox asks the time servers.
 * Units:      seconds since 1970, UTC.
 * Ownership:  nothing to free.
 * Errors:     ERR_IO when the kernel refuses the new time; ERR_NET when no time server
 *             answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "os/root.h"

struct clock_state {
	int64_t now, floor;
	bool believable;
	bool rtc; /* there is a clock that runs while the machine is off */
};

void clock_check(struct clock_state *state, const struct root *root);

/* Set the system clock, then the RTC from it (no RTC is no error).  `*off_ms` is what
 * the clock was behind (> 0) or ahead (< 0). */
int clock_step(int64_t *off_ms, int64_t to_ms, struct err *e);

/* Ask these servers through BusyBox ntpd, which sets the clock; then the RTC. */
int clock_ntp(int64_t *off_ms, const char *const *servers, size_t n, struct err *e);

/* "2026-11-20 18:00:07 UTC" */
void clock_print(char text[static 32], int64_t t);
