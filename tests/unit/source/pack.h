/* Packs bytes in memory, for the tests of what unpacks them. */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/stream.h"
#include "source/unwrap_magic.h"

enum { PACK_MAX = 4 << 20 };

struct pack {
	uint8_t *p;
	size_t len;
};

static inline struct pack pack_new(void)
{
	return (struct pack){ malloc(PACK_MAX), 0 };
}

/* `in` packed by the codec's own program's library, in its usual form. */
static inline struct pack pack(enum magic magic, const void *in, size_t len)
{
	struct pack out = pack_new();
	unsigned n = PACK_MAX;
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in,
		.avail_in = (uInt)len,
		.next_out = out.p,
		.avail_out = PACK_MAX };

	switch (magic) {
	case MAGIC_GZIP:
	case MAGIC_ZLIB:
		deflateInit2(&z, 6, Z_DEFLATED, magic == MAGIC_GZIP ? 31 : 15, 8, 0);
		deflate(&z, Z_FINISH);
		out.len = z.total_out;
		deflateEnd(&z);
		break;
	case MAGIC_ZSTD:;
		ZSTD_CCtx *c = ZSTD_createCCtx();
		ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
		out.len = ZSTD_compress2(c, out.p, PACK_MAX, in, len);
		ZSTD_freeCCtx(c);
		break;
	case MAGIC_XZ:
		lzma_easy_buffer_encode(
			1, LZMA_CHECK_CRC64, NULL, in, len, out.p, &out.len, PACK_MAX);
		break;
	case MAGIC_BZIP2:
		BZ2_bzBuffToBuffCompress(
			(char *)out.p, &n, (char *)(uintptr_t)in, (unsigned)len, 1, 0, 0);
		out.len = n;
		break;
	case MAGIC_LZ4:;
		const LZ4F_preferences_t prefs = {
			.frameInfo = { .contentChecksumFlag = LZ4F_contentChecksumEnabled },
		};
		out.len = LZ4F_compressFrame(out.p, PACK_MAX, in, len, &prefs);
		break;
	default:
		abort();
	}
	return out;
}

struct pack_file {
	const char *name;
	const void *bytes;
	size_t len;
	const char *link; /* symbolic; NULL: a file */
	const char *hard; /* link */
	mode_t kind;      /* 0: AE_IFREG */
	bool unsized;     /* zip: a data descriptor behind it, as Go writes */
};

/* MAGIC_TAR or MAGIC_ZIP; the list ends with a name of NULL. */
static inline struct pack pack_archive(enum magic magic, const struct pack_file *files)
{
	struct pack out = pack_new();
	struct archive *a = archive_write_new();

	if (magic == MAGIC_ZIP)
		archive_write_set_format_zip(a);
	else
		archive_write_set_format_pax_restricted(a);
	archive_write_open_memory(a, out.p, PACK_MAX, &out.len);
	for (const struct pack_file *f = files; f->name; f++) {
		struct archive_entry *e = archive_entry_new();
		archive_entry_set_pathname(e, f->name);
		archive_entry_set_filetype(e, f->kind ? f->kind : f->link ? AE_IFLNK : AE_IFREG);
		archive_entry_set_perm(e, 0640);
		archive_entry_set_uid(e, 1234);
		archive_entry_set_mtime(e, 1600000000, 0);
		if (!f->unsized)
			archive_entry_set_size(e, (la_int64_t)f->len);
		if (f->link)
			archive_entry_set_symlink(e, f->link);
		if (f->hard)
			archive_entry_set_hardlink(e, f->hard);
		archive_write_header(a, e);
		if (f->len)
			archive_write_data(a, f->bytes, f->len);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
	return out;
}

/* Gives its bytes in pieces of `step`. */
struct pack_source {
	struct pack of;
	size_t at, step;
	int fails_at_end; /* with this code instead of an end; 0: no */
	struct stream stream;
};

static int pack_source_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct pack_source *s = ctx;
	size_t n = s->of.len - s->at;

	n = n < room ? n : room;
	n = n < s->step ? n : s->step;
	if (!n && s->fails_at_end)
		return err_set(e, (enum err_code)s->fails_at_end, "the line is dead");
	if (n)
		memcpy(bytes, s->of.p + s->at, n);
	s->at += n;
	*got = n;
	return 0;
}

static inline const struct stream *pack_source(struct pack_source *s, struct pack of, size_t step)
{
	*s = (struct pack_source){ .of = of, .step = step };
	s->stream = (struct stream){ .read = pack_source_read, .ctx = s };
	return &s->stream;
}
