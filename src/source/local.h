/* source/local.h - files below a root as snapshots: a directory, a mounted disk, a share
 *
 * Shared by the kinds file, dev and label.  Links are followed below the root alone; what is
 * neither file nor directory is never opened, so that no pipe and no tape holds us up.  A
 * share whose server is gone would hold us for ever: a child of ours tries it first.
 *
 * Source:     none.
 * Units:      bytes, seconds.
 * Ownership:  the place's texts outlive it; what is listed lives in the arena.
 * Errors:     ERR_NOTFOUND, ERR_IO, ERR_FORMAT for what is no file; ERR_MISMATCH for one that
 *             changes while it is read.
 */
#pragma once

#include "source/source.h"

struct local {
	const struct root *root;
	const char *path;   /* below the root: a file or a directory */
	const char *before; /* of addresses: "file:", "dev:/dev/sdb1:" */
	const struct listener *listener;
};

int local_list(
	struct source_objects *objects, struct arena *a, const struct local *place, struct err *e);

/* `url` is one that was listed: `before` and a path. */
int local_read(struct stream *stream, const struct local *place, const char *url, struct err *e);

/* Whether path or device answers at all; waits for a child that tries, not for the kernel. */
int local_try(const struct root *root, const char *path, int limit_ms, struct err *e);
