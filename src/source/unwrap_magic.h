/* source/unwrap_magic.h - what some bytes are, told from how they begin
 *
 *   bolt    ED DA 0C ED at byte 16 of page 0, or of page 1 where page 0 is damaged
 *   gzip    1F 8B 08          zstd  28 B5 2F FD        xz    FD '7zXZ' 00
 *   bzip2   'BZh' 1-9         lz4   04 22 4D 18        zlib  78, a multiple of 31
 *   zip     'PK' 03 04        tar   512 bytes whose sum is right
 *
 * Source:     bbolt page.go, meta.go; RFC 1950, 1952, 8878, 9580; xz and LZ4 frame formats;
 *             APPNOTE 6.3; POSIX ustar; openssl-enc(1), age-encryption.org/v1.
 * Units:      bytes.
 * Ownership:  nothing is kept.
 * Errors:     none: what is not known is MAGIC_OTHER, and magic_words says what it looks like.
 */
#pragma once

#include "base/span.h"

enum {
	MAGIC_WANTED = 65536 + 20, /* bytes that decide everything, where there are so many */
	MAGIC_WORDS = 160,
};

enum magic {
	MAGIC_EMPTY,
	MAGIC_BOLT,
	MAGIC_GZIP,
	MAGIC_ZLIB,
	MAGIC_ZSTD,
	MAGIC_XZ,
	MAGIC_BZIP2,
	MAGIC_LZ4,
	MAGIC_TAR,
	MAGIC_ZIP,
	MAGIC_ENCRYPTED, /* magic_words names the program */
	MAGIC_REFUSED,   /* a packing that is known and not supported */
	MAGIC_OTHER,
};

enum magic magic_of(struct span head);

/* "gzip", "tar", ...; NULL for what is no wrapping. */
const char *magic_name(enum magic magic);

/* What it looks like, to stand behind "looks like ": "an HTML page", "an XML answer, code
 * AccessDenied", "text", "bytes 7f 45 4c 46".  Nothing of the content but such a code. */
void magic_words(char words[MAGIC_WORDS], struct span head);
