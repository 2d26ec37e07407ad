/* source/unwrap_archive.h - the entries of a tar or zip that comes as a stream
 *
 * libarchive reads the formats; what it lets pass is looked at here:
 *
 *   tar that ends without its blocks of zeros        cut off: refused
 *   zip that ends without its list of contents, or
 *     whose list counts other entries                cut off or tampered with: refused
 *   zip entries packed otherwise than deflate        refused: their memory has no bound
 *   headers of one entry longer than 16 MiB          refused
 *   something behind the end of a tar                told, for a warning
 *
 * Source:     libarchive 3.7; POSIX pax; APPNOTE 6.3.
 * Units:      bytes; seconds since 1970.
 * Ownership:  unwrap_archive_close; `in` is borrowed; a member's name lives until the next.
 * Errors:     ERR_FORMAT, ERR_UNSUPPORTED, and those of `in`.
 */
#pragma once

#include <stdbool.h>

#include "base/stream.h"
#include "source/unwrap_magic.h"

enum unwrap_member_kind {
	MEMBER_END,
	MEMBER_FILE,
	MEMBER_DIRECTORY,
	MEMBER_LINK,
	MEMBER_DEVICE, /* and pipes, sockets, what is not known */
};

struct unwrap_member {
	enum unwrap_member_kind kind;
	const char *name; /* as it stands there; "" where it cannot be read */
	uint64_t size;    /* UINT64_MAX: not told */
	int64_t modified;
	unsigned mode; /* permission bits */
	bool encrypted;
};

struct unwrap_archive;

/* MAGIC_TAR or MAGIC_ZIP. */
void unwrap_archive_open(
	struct unwrap_archive **archive, enum magic magic, const struct stream *in);

/* Passes over what is left of the member before.  At the end `in` has been read to its own. */
int unwrap_archive_next(
	struct unwrap_member *member, struct unwrap_archive *archive, struct err *e);

/* Of the member that unwrap_archive_next gave; an error where its checksum is wrong. */
int unwrap_archive_read(void *archive, size_t *got, void *bytes, size_t room, struct err *e);

/* Was there something but zeros behind the end of the tar? */
bool unwrap_archive_more(const struct unwrap_archive *archive);

void unwrap_archive_close(struct unwrap_archive *archive);
