/* plan/report_log.h - the file on the target that the events of a restore are written to
 *
 *   PATH/<time>-<8 of the plan's id>.jsonl   new each time; PATH is made when it is missing
 *
 * Source:     none; ours.
 * Units:      none.
 * Ownership:  report_log_close gives the descriptors back.
 * Errors:     ERR_USAGE for a path of less than two names; ERR_IO, ERR_SPACE; ERR_NOTFOUND
 *             for a copy beside no log.
 */
#pragma once

#include "base/err.h"
#include "os/root.h"

struct report_log {
	int fd, dir; /* -1: none */
	char name[80];
};

#define NO_REPORT_LOG ((struct report_log){ .fd = -1, .dir = -1 })

/* `path` below root; of it all but the last two names must be there.  Links are not followed.
 * `plan`: its id, or NULL. */
int report_log_open(struct report_log *log, const struct root *root, const char *path,
	const char *plan, struct err *e);

/* The file at `path` of this system, beside the log, by its name with another ending. */
int report_log_copy(
	const struct report_log *log, const char *path, const char *ending, struct err *e);

void report_log_close(struct report_log *log);
