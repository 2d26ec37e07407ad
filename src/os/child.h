/* os/child.h - a program of ours that runs beside us and tells what it does
 *
 * stdin is /dev/null; stdout goes to `out`; stderr comes through a pipe, read line by line.
 * It has a process group of its own, so that a terminal's signals do not reach it.
 *
 * Source:     posix_spawn(3), waitpid(2).
 * Units:      bytes.
 * Ownership:  child_end gives back what child_start took.
 * Errors:     ERR_NOTFOUND when there is no such program, ERR_IO when it cannot be started.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

enum { CHILD_LINE = 16384 };

struct child {
	pid_t pid;
	int fd; /* its stderr: can be read when there is something, or when it closed it */
	bool over;
	size_t len;
	bool cut; /* the line that is being read is longer than there is room for */
	char line[CHILD_LINE];
};

int child_start(struct child *child, const char *const *argv, int out, struct err *e);

/* Call when `fd` can be read: takes what there is, and tells each whole line.  False at the end. */
bool child_read(struct child *child, void (*take)(void *ctx, struct str line), void *ctx);

/* Wait for its end: the exit status, or 128 + the signal that ended it. */
int child_end(struct child *child);
