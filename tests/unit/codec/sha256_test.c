#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/sha256.h"

#include "codec/text.h"

static void assert_digest(const uint8_t digest[CODEC_SHA256_SIZE], const char *hex)
{
	CLEAN_BUF struct buf text = BUF(100);
	struct err e;

	assert_int_equal(codec_text_hex(&text, (struct span){ digest, CODEC_SHA256_SIZE }, &e), 0);
	assert_true(str_is(buf_text(&text), hex));
}

static void sha256_knows_the_published_values(void **state)
{
	uint8_t digest[CODEC_SHA256_SIZE], block[1000];

	(void)state;
	memset(block, 'a', sizeof block);
	for (int path = CODEC_BEST; path <= CODEC_MACHINE; path++) {
		struct codec_sha256 sha;

		if ((path == CODEC_MACHINE && !codec_cpu_has_sha256()) ||
			(path == CODEC_VECTOR && !codec_cpu_has_ssse3()))
			continue;
		codec_sha256_init_by(&sha, path);
		codec_sha256_final(digest, &sha);
		assert_digest(
			digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
		codec_sha256_init_by(&sha, path);
		codec_sha256_update(&sha, SPAN("abcdbcdecdefdefgefghfghighijhijkijkljklmklmn"
					       "lmnomnopnopq"));
		codec_sha256_final(digest, &sha);
		assert_digest(
			digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
		codec_sha256_init_by(&sha, path);
		for (int i = 0; i < 1000; i++)
			codec_sha256_update(&sha, (struct span){ block, sizeof block });
		codec_sha256_final(digest, &sha);
		assert_digest(
			digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	}
}

static void sha256_does_not_depend_on_how_the_stream_is_cut(void **state)
{
	uint8_t bytes[515], whole[CODEC_SHA256_SIZE], cut[CODEC_SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len < sizeof bytes; len += 5) {
		codec_sha256_of(whole, (struct span){ bytes, len });
		for (size_t step = 1; step < 140; step += 9) {
			struct codec_sha256 sha;

			codec_sha256_init_by(&sha, CODEC_PORTABLE);
			for (size_t at = 0; at < len; at += step)
				codec_sha256_update(
					&sha, (struct span){ bytes + at,
						      step < len - at ? step : len - at });
			codec_sha256_final(cut, &sha);
			assert_memory_equal(cut, whole, sizeof whole);
		}
	}
}

static void sha256_by(
	uint8_t digest[CODEC_SHA256_SIZE], enum codec_path path, const uint8_t *p, size_t len)
{
	struct codec_sha256 sha;

	codec_sha256_init_by(&sha, path);
	codec_sha256_update(&sha, (struct span){ p, len });
	codec_sha256_final(digest, &sha);
}

static void sha256_is_the_same_on_all_paths(void **state)
{
	uint8_t bytes[300], portable[CODEC_SHA256_SIZE], other[CODEC_SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 13 + 5);
	for (size_t start = 0; start < 4; start++) {
		for (size_t len = 0; len + start <= sizeof bytes; len++) {
			sha256_by(portable, CODEC_PORTABLE, bytes + start, len);
			if (codec_cpu_has_ssse3()) {
				sha256_by(other, CODEC_VECTOR, bytes + start, len);
				assert_memory_equal(portable, other, sizeof other);
			}
			if (codec_cpu_has_sha256()) {
				sha256_by(other, CODEC_MACHINE, bytes + start, len);
				assert_memory_equal(portable, other, sizeof other);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_knows_the_published_values),
		cmocka_unit_test(sha256_does_not_depend_on_how_the_stream_is_cut),
		cmocka_unit_test(sha256_is_the_same_on_all_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
