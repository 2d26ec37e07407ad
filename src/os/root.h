/* os/root.h - the machine we look at, below one directory descriptor
 *
 * Everything that is read from a machine (proc, sys, dev, a mounted disk, an unpacked
 * tree) is opened below a root.  "/" is the machine itself; tests hand in a fake tree.
 * Links and ".." never lead outside: openat2 with RESOLVE_IN_ROOT, so an absolute link
 * inside a mounted disk stays on that disk.
 *
 * Source:     openat2(2), Linux 5.6; os/root_walk.h where the kernel has none.
 * Units:      none.
 * Ownership:  root_close gives the descriptor back; CLEAN_ROOT does so at the end of the
 *             scope.
 * Errors:     ERR_NOTFOUND, ERR_IO; the text names the path.
 */
#pragma once

#include "base/err.h"

struct root {
	int fd;
};

#define NO_ROOT    ((struct root){ -1 })
#define CLEAN_ROOT __attribute__((cleanup(root_close)))

int root_open(struct root *root, const char *path, struct err *e);
void root_close(struct root *root);

/* openat below the root; `flags` as for open(2), O_CLOEXEC is added. */
int root_open_at(int *fd, const struct root *root, const char *path, int flags, struct err *e);

/* Does the path exist below the root?  Anything but a clear yes is no. */
int root_exists(const struct root *root, const char *path);

/* The target of a symbolic link, cut at `size`; not followed. */
int root_read_link(
	char *target, unsigned long size, const struct root *root, const char *path, struct err *e);
