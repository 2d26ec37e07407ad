/* source/unwrap_codec.h - one layer of compression taken off a stream
 *
 * Written on the codecs' own libraries and not on libarchive's filters: those check no CRC of
 * gzip, end in silence at some cuts, and let xz and zstd take what memory they like.
 *
 *   several members or frames behind each other   one content, as gzip -dc and the others do
 *   zero bytes behind the last                    padding of tapes and disks: accepted
 *   anything else behind the last                 refused: it is damage, or not all of it
 *   the input ends before the last one does       refused
 *
 * Source:     zlib 1.3, zstd 1.5, liblzma 5.8, bzip2 1.0.8, lz4 1.10; their streaming calls.
 * Units:      bytes.
 * Ownership:  the stream owns the decoder; `in` is borrowed and outlives it.
 * Errors:     ERR_FORMAT for what is cut or damaged, ERR_UNSUPPORTED for what wants more
 *             memory than `memory` (says how much), and those of `in`.
 */
#pragma once

#include "base/stream.h"
#include "source/unwrap_magic.h"

/* MAGIC_GZIP, ZLIB, ZSTD, XZ, BZIP2 or LZ4. */
int unwrap_codec_open(struct stream *out, enum magic magic, const struct stream *in, size_t memory,
	struct err *e);
