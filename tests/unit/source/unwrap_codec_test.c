#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pack.h"
#include "source/unwrap_codec.h"

static const enum magic codecs[] = { MAGIC_GZIP, MAGIC_ZLIB, MAGIC_ZSTD, MAGIC_XZ, MAGIC_BZIP2,
	MAGIC_LZ4 };
enum { N_CODECS = sizeof codecs / sizeof *codecs, CONTENT = 300000, MEMORY = 36 << 20 };

static uint8_t content[CONTENT], back[PACK_MAX];

static int fill_content(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < CONTENT; i++) {
		x = x * 1664525 + 1013904223;
		content[i] = (uint8_t)(i % 1000 < 500 ? x >> 24 : i >> 12);
	}
	return 0;
}

/* All of it, read in pieces of `room`; the bytes that came before an error count too. */
static int unpack(size_t *got, enum magic magic, struct pack packed, size_t step, size_t room,
	size_t memory, struct err *e)
{
	struct pack_source source;
	struct stream s;
	size_t n;
	int bad;

	*got = 0;
	assert_int_equal(
		unwrap_codec_open(&s, magic, pack_source(&source, packed, step), memory, e), 0);
	do {
		bad = stream_read(&s, &n, back + *got, room, e);
		if (!bad)
			*got += n;
	} while (!bad && n);
	stream_close(&s);
	return bad;
}

static void content_comes_back_whatever_the_pieces(void **state)
{
	static const size_t steps[][2] = { { 65536, 65536 }, { 1, 5000 }, { 777, 1 }, { 100, 13 } };
	struct err e = { 0 };
	size_t got;

	(void)state;
	for (size_t i = 0; i < N_CODECS; i++) {
		struct pack p = pack(codecs[i], content, CONTENT);
		for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
			assert_int_equal(
				unpack(&got, codecs[i], p, steps[j][0], steps[j][1], MEMORY, &e),
				0);
			assert_int_equal(got, CONTENT);
			assert_memory_equal(back, content, CONTENT);
		}
		free(p.p);
		p = pack(codecs[i], content, 0); /* an empty one is one too */
		assert_int_equal(unpack(&got, codecs[i], p, 10, 10, MEMORY, &e), 0);
		assert_int_equal(got, 0);
		free(p.p);
	}
}

static void a_cut_anywhere_is_an_error(void **state)
{
	struct err e;
	size_t got;

	(void)state;
	for (size_t i = 0; i < N_CODECS; i++) {
		struct pack p = pack(codecs[i], content, 3000);
		for (size_t len = 1; len < p.len; len++) {
			e.code = 0;
			if (!unpack(&got, codecs[i], (struct pack){ p.p, len }, 999, 999, MEMORY,
				    &e))
				fail_msg("%s cut to %zu of %zu", magic_name(codecs[i]), len, p.len);
			assert_int_equal(e.code, ERR_FORMAT);
			assert_true(got <= 3000);
			assert_memory_equal(back, content, got);
		}
		free(p.p);
	}
}

static void a_flipped_bit_is_an_error(void **state)
{
	struct err e;
	size_t got, unseen = 0;

	(void)state;
	for (size_t i = 0; i < N_CODECS; i++) {
		struct pack p = pack(codecs[i], content, 3000);
		for (size_t at = 0; at < p.len * 8; at += 3) {
			p.p[at / 8] ^= (uint8_t)(1 << at % 8);
			if (!unpack(&got, codecs[i], p, 65536, 65536, MEMORY, &e)) {
				/* Of a header: time and system of gzip, flags of a frame. */
				assert_int_equal(got, 3000);
				assert_memory_equal(back, content, 3000);
				unseen++;
			}
			p.p[at / 8] ^= (uint8_t)(1 << at % 8);
		}
		free(p.p);
	}
	assert_true(unseen < 60);
}

static void members_behind_each_other_are_one_content(void **state)
{
	struct err e;
	size_t got;

	(void)state;
	for (size_t i = 0; i < N_CODECS; i++) {
		struct pack a = pack(codecs[i], content, 2000),
			    b = pack(codecs[i], content + 2000, 3000);
		memcpy(a.p + a.len, b.p, b.len);
		a.len += b.len;
		assert_int_equal(unpack(&got, codecs[i], a, 333, 4096, MEMORY, &e), 0);
		assert_int_equal(got, 5000);
		assert_memory_equal(back, content, 5000);
		a.len--;
		assert_int_equal(unpack(&got, codecs[i], a, 333, 4096, MEMORY, &e), ERR_FORMAT);
		free(a.p);
		free(b.p);
	}
}

static void zeros_may_follow_and_nothing_else(void **state)
{
	struct err e;
	size_t got;

	(void)state;
	for (size_t i = 0; i < N_CODECS; i++) {
		struct pack p = pack(codecs[i], content, 2000);
		memset(p.p + p.len, 0, 10240);
		p.len += 10240;
		assert_int_equal(unpack(&got, codecs[i], p, 333, 4096, MEMORY, &e), 0);
		assert_int_equal(got, 2000);
		p.p[p.len - 1] = 'x';
		assert_int_equal(unpack(&got, codecs[i], p, 333, 4096, MEMORY, &e), ERR_FORMAT);
		memcpy(p.p + p.len - 10240, "garbage!", 8);
		assert_int_equal(unpack(&got, codecs[i], p, 333, 4096, MEMORY, &e), ERR_FORMAT);
		free(p.p);
	}
}

static void big_windows_are_refused_with_their_size(void **state)
{
	struct pack p = pack_new();
	lzma_options_lzma o;
	struct err e;
	size_t got;

	(void)state;
	lzma_lzma_preset(&o, 1);
	o.dict_size = 64 << 20;
	const lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &o }, { LZMA_VLI_UNKNOWN, NULL } };
	assert_int_equal(lzma_stream_buffer_encode((lzma_filter *)(uintptr_t)filters,
				 LZMA_CHECK_CRC32, NULL, content, 1000, p.p, &p.len, PACK_MAX),
		LZMA_OK);
	assert_int_equal(unpack(&got, MAGIC_XZ, p, 4096, 4096, MEMORY, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.text, "xz data wants 64 MiB of memory to unpack, allowed are 36; "
				    "pack it with xz -8 or less, or unpack it first");
	assert_int_equal(unpack(&got, MAGIC_XZ, p, 4096, 4096, 80 << 20, &e), 0);
	assert_int_equal(got, 1000);

	/* A frame whose header says 128 MiB of window; the block is raw. */
	static const uint8_t frame[] = "\x28\xb5\x2f\xfd\x00\x88\x21\0\0test";
	memcpy(p.p, frame, sizeof frame - 1);
	p.len = sizeof frame - 1;
	assert_int_equal(unpack(&got, MAGIC_ZSTD, p, 4096, 4096, MEMORY, &e), ERR_UNSUPPORTED);
	assert_non_null(
		strstr(e.text, "a window (--long, --ultra) that wants more than the 36 MiB"));
	assert_int_equal(unpack(&got, MAGIC_ZSTD, p, 4096, 4096, 129 << 20, &e), 0);
	assert_int_equal(got, 4);
	free(p.p);
}

static void an_error_of_the_input_stays_what_it_is(void **state)
{
	struct err e;
	size_t n;

	(void)state;
	for (size_t i = 0; i < N_CODECS; i++) {
		struct pack p = pack(codecs[i], content, 3000);
		struct pack_source source;
		struct stream s;
		int bad;
		pack_source(&source, (struct pack){ p.p, p.len / 2 }, 100);
		source.fails_at_end = ERR_NET;
		unwrap_codec_open(&s, codecs[i], &source.stream, MEMORY, &e);
		do {
			bad = stream_read(&s, &n, back, 1000, &e);
		} while (!bad && n);
		assert_int_equal(bad, ERR_NET);
		assert_string_equal(e.text, "the line is dead");
		stream_close(&s);
		free(p.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_comes_back_whatever_the_pieces),
		cmocka_unit_test(a_cut_anywhere_is_an_error),
		cmocka_unit_test(a_flipped_bit_is_an_error),
		cmocka_unit_test(members_behind_each_other_are_one_content),
		cmocka_unit_test(zeros_may_follow_and_nothing_else),
		cmocka_unit_test(big_windows_are_refused_with_their_size),
		cmocka_unit_test(an_error_of_the_input_stays_what_it_is),
	};
	return cmocka_run_group_tests(tests, fill_content, NULL);
}
