#include "source/unwrap_codec.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/arena.h"

enum { IN_SIZE = 65536, STALLS_MAX = 16 };

enum state {
	BETWEEN, /* members: none begun, or the last one ended */
	WITHIN,
	PADDING, /* zero bytes behind the last member */
	OVER,
};

struct codec {
	const struct stream *in;
	const char *name;
	const struct coder *coder;
	size_t memory;
	uint64_t made; /* bytes given, for the place in a text */
	enum state state;
	bool any; /* a member was read */
	unsigned stalls;
	bool in_end;
	const uint8_t *at; /* what of `bytes` is left */
	size_t left;
	union {
		z_stream z;
		bz_stream bz;
		lzma_stream xz;
		ZSTD_DStream *zstd;
		LZ4F_dctx *lz4;
	};
	uint8_t bytes[IN_SIZE];
};

/* `run` eats from `at` and fills up to `room`; `*ended` when the member has. */
struct coder {
	int (*begin)(struct codec *c, struct err *e);
	int (*run)(struct codec *c, bool *ended, size_t *got, uint8_t *out, size_t room,
		struct err *e);
	void (*end)(struct codec *c);
	bool all; /* knows of several members and of padding itself */
};

static int damaged(struct codec *c, struct err *e, const char *why)
{
	return err_set(e, ERR_FORMAT, "%s data is damaged behind byte %ju of its content: %s",
		c->name, (uintmax_t)c->made, why);
}

static int too_big(struct codec *c, struct err *e, uint64_t wanted, const char *advice)
{
	return err_set(e, ERR_UNSUPPORTED,
		"%s data wants %ju MiB of memory to unpack, allowed are %zu; %s", c->name,
		(uintmax_t)(wanted >> 20), c->memory >> 20, advice);
}

static void ate(struct codec *c, size_t n)
{
	c->at += n;
	c->left -= n;
}

/* zlib: gzip with its CRC and length, zlib with its sum. */

static int zlib_begin(struct codec *c, struct err *e)
{
	(void)e;
	if (c->any)
		return inflateReset(&c->z) == Z_OK ? 0 : damaged(c, e, "inflateReset");
	/* 32: whichever of the two headers there is. */
	if (inflateInit2(&c->z, 15 + 32) != Z_OK)
		out_of_memory(1 << 16);
	return 0;
}

static int zlib_run(
	struct codec *c, bool *ended, size_t *got, uint8_t *out, size_t room, struct err *e)
{
	/* zlib never writes to its input; its type says otherwise. */
	c->z.next_in = (Bytef *)(uintptr_t)c->at;
	c->z.avail_in = (uInt)c->left;
	c->z.next_out = out;
	c->z.avail_out = (uInt)room;
	const int r = inflate(&c->z, Z_NO_FLUSH);
	ate(c, c->left - c->z.avail_in);
	*got = room - c->z.avail_out;
	*ended = r == Z_STREAM_END;
	if (r == Z_MEM_ERROR)
		out_of_memory(1 << 16);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return damaged(c, e, c->z.msg ? c->z.msg : "it needs a dictionary");
	return 0;
}

static void zlib_end(struct codec *c)
{
	inflateEnd(&c->z);
}

static int bzip2_begin(struct codec *c, struct err *e)
{
	(void)e;
	if (c->any)
		BZ2_bzDecompressEnd(&c->bz);
	c->bz = (bz_stream){ 0 };
	if (BZ2_bzDecompressInit(&c->bz, 0, 0) != BZ_OK)
		out_of_memory(1 << 16);
	return 0;
}

static int bzip2_run(
	struct codec *c, bool *ended, size_t *got, uint8_t *out, size_t room, struct err *e)
{
	c->bz.next_in = (char *)(uintptr_t)c->at;
	c->bz.avail_in = (unsigned)c->left;
	c->bz.next_out = (char *)out;
	c->bz.avail_out = (unsigned)room;
	const int r = BZ2_bzDecompress(&c->bz);
	ate(c, c->left - c->bz.avail_in);
	*got = room - c->bz.avail_out;
	*ended = r == BZ_STREAM_END;
	if (r == BZ_MEM_ERROR)
		out_of_memory(4 << 20);
	if (r != BZ_OK && r != BZ_STREAM_END)
		return damaged(c, e, r == BZ_DATA_ERROR ? "wrong CRC" : "not the format");
	return 0;
}

static void bzip2_end(struct codec *c)
{
	BZ2_bzDecompressEnd(&c->bz);
}

static int xz_begin(struct codec *c, struct err *e)
{
	(void)e;
	c->xz = (lzma_stream)LZMA_STREAM_INIT;
	if (lzma_stream_decoder(
		    &c->xz, c->memory, LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK)
		out_of_memory(1 << 16);
	return 0;
}

static int xz_run(
	struct codec *c, bool *ended, size_t *got, uint8_t *out, size_t room, struct err *e)
{
	c->xz.next_in = c->at;
	c->xz.avail_in = c->left;
	c->xz.next_out = out;
	c->xz.avail_out = room;
	const lzma_ret r = lzma_code(&c->xz, c->in_end ? LZMA_FINISH : LZMA_RUN);
	ate(c, c->left - c->xz.avail_in);
	*got = room - c->xz.avail_out;
	*ended = r == LZMA_STREAM_END;
	switch (r) {
	case LZMA_OK:
	case LZMA_STREAM_END:
	case LZMA_BUF_ERROR: /* nothing to do: codec_read sees that the input is over */
		return 0;
	case LZMA_MEM_ERROR:
		out_of_memory(c->memory);
	case LZMA_MEMLIMIT_ERROR:
		return too_big(c, e, lzma_memusage(&c->xz),
			"pack it with xz -8 or less, or unpack it first");
	case LZMA_FORMAT_ERROR:
		return damaged(c, e, "something that is not xz follows");
	case LZMA_UNSUPPORTED_CHECK:
		return err_set(e, ERR_UNSUPPORTED, "xz data with a check that is not known here");
	case LZMA_OPTIONS_ERROR:
		return damaged(c, e, "options that are not known");
	default:
		return damaged(c, e, "wrong check");
	}
}

static void xz_end(struct codec *c)
{
	lzma_end(&c->xz);
}

static int zstd_begin(struct codec *c, struct err *e)
{
	int log = 10;

	(void)e;
	if (c->any)
		return 0;
	while ((size_t)2 << log <= c->memory)
		log++;
	c->zstd = ZSTD_createDStream();
	if (!c->zstd)
		out_of_memory(1 << 17);
	ZSTD_DCtx_setParameter(c->zstd, ZSTD_d_windowLogMax, log);
	return 0;
}

static int zstd_run(
	struct codec *c, bool *ended, size_t *got, uint8_t *out, size_t room, struct err *e)
{
	ZSTD_inBuffer in = { c->at, c->left, 0 };
	ZSTD_outBuffer o = { out, room, 0 };

	const size_t r = ZSTD_decompressStream(c->zstd, &o, &in);
	if (ZSTD_isError(r)) {
		if (ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
			out_of_memory(c->memory);
		if (ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
			return err_set(e, ERR_UNSUPPORTED,
				"zstd data has a window (--long, --ultra) that wants more than the "
				"%zu MiB of memory allowed; pack it with zstd -19 or less, or "
				"unpack it first",
				c->memory >> 20);
		return damaged(c, e, ZSTD_getErrorName(r));
	}
	ate(c, in.pos);
	*got = o.pos;
	*ended = !r;
	return 0;
}

static void zstd_end(struct codec *c)
{
	ZSTD_freeDStream(c->zstd);
}

static int lz4_begin(struct codec *c, struct err *e)
{
	(void)e;
	if (!c->any && LZ4F_isError(LZ4F_createDecompressionContext(&c->lz4, LZ4F_VERSION)))
		out_of_memory(1 << 16);
	return 0;
}

static int lz4_run(
	struct codec *c, bool *ended, size_t *got, uint8_t *out, size_t room, struct err *e)
{
	size_t used = c->left;

	*got = room;
	const size_t r = LZ4F_decompress(c->lz4, out, got, c->at, &used, NULL);
	if (LZ4F_isError(r))
		return damaged(c, e, LZ4F_getErrorName(r));
	ate(c, used);
	*ended = !r;
	return 0;
}

static void lz4_end(struct codec *c)
{
	LZ4F_freeDecompressionContext(c->lz4);
}

static int more_input(struct codec *c, struct err *e)
{
	if (c->in_end || c->left)
		return 0;
	c->at = c->bytes;
	if (stream_read(c->in, &c->left, c->bytes, sizeof c->bytes, e))
		return e->code;
	c->in_end = !c->left;
	return 0;
}

/* Behind a member: another one, zero bytes to the end, or nothing. */
static int look_behind(struct codec *c, struct err *e)
{
	if (c->state == BETWEEN && (*c->at || !c->any)) {
		if (c->coder->begin(c, e))
			return e->code;
		c->any = true;
		c->state = WITHIN;
		return 0;
	}
	c->state = PADDING;
	for (size_t i = 0; i < c->left; i++) {
		if (c->at[i])
			return damaged(c, e, "something else follows its end");
	}
	ate(c, c->left);
	return 0;
}

static int codec_read(void *ctx, size_t *got, void *out, size_t room, struct err *e)
{
	struct codec *c = ctx;
	bool ended = false;

	*got = 0;
	while (!*got && c->state != OVER && room) {
		if (more_input(c, e))
			return e->code;
		if (c->state != WITHIN) {
			if (!c->left)
				c->state = OVER;
			else if (look_behind(c, e))
				return e->code;
			continue;
		}
		const size_t before = c->left;
		if (c->coder->run(c, &ended, got, out, room, e))
			return e->code;
		c->made += *got;
		const bool stalled = !*got && before == c->left;
		c->stalls = stalled ? c->stalls + 1 : 0;
		if (ended)
			c->state = c->coder->all ? OVER : BETWEEN;
		else if (stalled && c->in_end)
			return err_set(e, ERR_FORMAT,
				"%s data is cut off behind byte %ju of its content", c->name,
				(uintmax_t)c->made);
		else if (c->stalls > STALLS_MAX)
			return damaged(c, e, "it does not go on");
	}
	return 0;
}

static void codec_close(void *ctx)
{
	struct codec *c = ctx;

	if (c->any)
		c->coder->end(c);
	free(c);
}

int unwrap_codec_open(
	struct stream *out, enum magic magic, const struct stream *in, size_t memory, struct err *e)
{
	static const struct coder coders[] = {
		[MAGIC_GZIP] = { zlib_begin, zlib_run, zlib_end, false },
		[MAGIC_ZLIB] = { zlib_begin, zlib_run, zlib_end, false },
		[MAGIC_ZSTD] = { zstd_begin, zstd_run, zstd_end, false },
		[MAGIC_XZ] = { xz_begin, xz_run, xz_end, true },
		[MAGIC_BZIP2] = { bzip2_begin, bzip2_run, bzip2_end, false },
		[MAGIC_LZ4] = { lz4_begin, lz4_run, lz4_end, false },
	};

	if (magic >= sizeof coders / sizeof *coders || !coders[magic].run)
		return err_set(e, ERR_BUG, "no compression");
	struct codec *c = calloc(1, sizeof *c);
	if (!c)
		out_of_memory(sizeof *c);
	c->in = in;
	c->name = magic_name(magic);
	c->coder = &coders[magic];
	c->memory = memory;
	*out = (struct stream){ .read = codec_read, .close = codec_close, .ctx = c };
	return 0;
}
