/* os/process.h - run one of the image's own programs and wait for it, but not for ever
 *
 * No shell is involved: `argv` goes to the program as it is.  stdin is /dev/null, or with
 * process_feed `input`, so that a secret stands on no command line; stdout and stderr go to
 * `output` (up to its maximum; what is more is read and dropped).
 *
 * Source:     posix_spawn(3), waitpid(2).
 * Units:      milliseconds.
 * Ownership:  `output` is the caller's and may be NULL.
 * Errors:     ERR_SPACE for more input than PROCESS_INPUT_MAX; ERR_NOTFOUND when there is no such
 * program, ERR_IO when it cannot be started or does not end within `timeout_ms` (it is killed
 * then), or when the kernel does not tell how it ended.  How it ended is no error here: see
 * `*status`.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { PROCESS_INPUT_MAX = 64 * 1024 };

/* `*status` is the exit status, or 128 + the signal that ended it. */
int process_run(
	int *status, const char *const *argv, int timeout_ms, struct buf *output, struct err *e);

int process_feed(int *status, const char *const *argv, struct span input, int timeout_ms,
	struct buf *output, struct err *e);
