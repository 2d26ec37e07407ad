/* target/digest.h - one SHA-256 for all that is in a directory
 *
 * Over these records, in the order of a walk that takes the names of a directory by their
 * bytes and goes into a directory at once:
 *
 *   d NAME 0                           a directory, what is in it behind it, then: u 0
 *   f NAME 0 size (8 bytes, LE) sums   a regular file: the sum of each of its blocks
 *                                      (codec/block_sums.h), without those at its end that
 *                                      are nothing but zeros, of which a new log has 64 MB
 *   l NAME 0 target 0                  a symbolic link, not followed
 *
 * Owners, modes, labels and times do not count: they are carried over from the old state and
 * corrected by the running system.  Anything else, and another file system mounted inside, is
 * refused: nothing that is ours has that.
 *
 * Source:     none; ours, and stable, since journals hold it.
 * Units:      bytes.
 * Ownership:  borrows the root; the digest is lower case hex with its end.
 * Errors:     ERR_FORMAT for what is neither file, link nor directory or too deep; ERR_IO,
 *             ERR_NOTFOUND; those of `go_on`.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/event.h"
#include "codec/block_sums.h"
#include "os/root.h"

enum { DIGEST_HEX = 65, DIGEST_DEPTH_MAX = 16, DIGEST_NAMES_MAX = 1 << 20 };

/* A file whose sums were made when it was written, and that is not read for them again. */
struct digest_known {
	dev_t device;
	uint64_t inode, size;
	const struct codec_block_sums *sums;
};

struct digest_way {
	bool write; /* bytes still in memory are on their way to the disk meanwhile */
	bool drop;  /* what memory holds of a file is dropped first: the disk is read.  It has to
		       be synced before */
	const struct listener *listener;        /* progress */
	const char *step;                       /* what progress calls it */
	uint64_t total;                         /* bytes, for progress; 0: not known */
	int (*go_on)(void *ctx, struct err *e); /* NULL: always */
	void *ctx;
	const struct digest_known *known;
	size_t n_known;
};

/* `*bytes` (may be NULL) is the size of all files. */
int digest_directory(char hex[DIGEST_HEX], uint64_t *bytes, const struct root *root,
	const char *path, const struct digest_way *way, struct err *e);

/* A regular file, not through a link. */
int digest_file(char hex[DIGEST_HEX], uint64_t *bytes, const struct root *root, const char *path,
	const struct digest_way *way, struct err *e);

void digest_span(char hex[DIGEST_HEX], struct span content);
