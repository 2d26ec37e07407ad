/* ui/console.h - events as lines for a person
 *
 * Steps, warnings and progress on one descriptor.  On a terminal progress rewrites its
 * line; on a serial line, where that would be a storm, it is a line every five seconds; into
 * a file or pipe none is written.
 *
 * Source:     isatty(3), ttyname(3); the events of base/event.h.
 * Units:      percent, and a line every five seconds at most.
 * Ownership:  the listener borrows the console, which the caller keeps.
 * Errors:     none: a console that does not take the text loses it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "ui/progress.h"

enum console_progress { CONSOLE_QUIET, CONSOLE_LINES, CONSOLE_REWRITES };

struct console {
	int fd;
	bool quiet, verbose;
	enum console_progress shows; /* may be set to what suits better */
	bool line_open;              /* a progress line waits for its end */
	uint64_t last_ms;            /* when progress was last shown */
	struct progress progress;
};

struct listener console_listener(struct console *c, int fd, bool quiet, bool verbose);

/* Ends a line of progress that is still open, before somebody else writes. */
void console_end(struct console *c);
