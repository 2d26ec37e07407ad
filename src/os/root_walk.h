/* os/root_walk.h - open below a directory without openat2; for os/root.c alone
 *
 * Does step by step what RESOLVE_IN_ROOT does at once: every component is opened below
 * the one before and never followed by the kernel, so that neither a link nor ".." leads
 * outside, also when the tree changes meanwhile.  For kernels before 5.6 and for user-mode
 * emulators that do not know the system call.
 *
 * Source:     openat2(2), RESOLVE_IN_ROOT.
 * Units:      none.
 * Ownership:  the descriptor is the caller's.
 * Errors:     -1 and errno, as open(2); ELOOP after 40 links, ENAMETOOLONG for a path that
 *             grows beyond 4096 bytes or 128 levels.
 */
#pragma once

int root_walk(int root, const char *path, int flags);
