/* ui/console.h - events as lines for a person
 *
 * Steps, warnings and progress on one descriptor.  On a terminal progress rewrites its
 * line; elsewhere it is one line every five seconds.
 *
 * Source:     isatty(3); the events of base/event.h.
 * Units:      percent, and a line every five seconds at most.
 * Ownership:  the listener borrows the console, which the caller keeps.
 * Errors:     none: a console that does not take the text loses it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"

struct console {
	int fd;
	bool quiet, verbose, terminal;
	bool line_open;      /* a progress line waits for its end */
	uint64_t last_ms;    /* when progress was last shown */
	uint64_t started_ms; /* when this step's progress began */
	uint64_t started_done;
};

struct listener console_listener(struct console *c, int fd, bool quiet, bool verbose);
