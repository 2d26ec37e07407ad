/* os/file.h - whole reads, whole writes, and replacing a file so that a power cut
 * leaves the old one or the new one
 *
 * Short transfers and EINTR are handled here and nowhere else.
 *
 * Source:     read(2), write(2), fsync(2), rename(2).
 * Units:      bytes.
 * Ownership:  descriptors stay the caller's; CLOSE_FD closes one at the end of its scope.
 * Errors:     ERR_IO, ERR_NOTFOUND, ERR_SPACE; file_read_at gives ERR_FORMAT when the file
 *             ends too early.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "os/root.h"

#define CLOSE_FD __attribute__((cleanup(file_close)))

void file_close(int *fd); /* ignores -1, leaves -1 */

/* The whole file behind what `b` holds already; more than its maximum is ERR_SPACE.  file_read
 * refuses what is no regular file with ERR_FORMAT, and so never waits for a pipe. */
int file_read(struct buf *b, const struct root *root, const char *path, struct err *e);
int file_read_fd(struct buf *b, int fd, struct err *e);

/* Up to `size - 1` bytes as text without white space at its ends; for /proc and /sys.
 * A file that cannot be read gives the empty text. */
void file_read_line(char *text, size_t size, const struct root *root, const char *path);

/* Exactly `len` bytes at `at`; fewer is ERR_FORMAT, "ends at byte ..". */
int file_read_at(int fd, void *bytes, size_t len, uint64_t at, struct err *e);

/* Up to `len` bytes from the current place; `*got` is 0 only at the end. */
int file_read_some(size_t *got, int fd, void *bytes, size_t len, struct err *e);

/* The same of a file that nobody will read twice: the page cache lets go of what was read, and
 * gigabytes pass through a few pages instead of filling the memory. */
int file_read_once(size_t *got, int fd, void *bytes, size_t len, struct err *e);

/* Is most of the file in the page cache?  Single bytes all over it are looked at, with
 * RWF_NOWAIT, which fails where the disk would be asked. */
bool file_is_cached(int fd, uint64_t size);

int file_write(int fd, const void *bytes, size_t len, struct err *e);
int file_write_at(int fd, const void *bytes, size_t len, uint64_t at, struct err *e);
int file_sync(int fd, struct err *e);

/* Replace `name` in directory `dir`: sibling, fsync, rename, fsync of the directory. */
int file_replace(int dir, const char *name, struct span content, mode_t mode, struct err *e);
