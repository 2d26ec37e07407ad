#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/sha1.h"

#include "codec/text.h"

static void assert_sha1(struct span bytes, const char *hex)
{
	CLEAN_BUF struct buf text = BUF(100);
	uint8_t digest[CODEC_SHA1_SIZE];
	struct err e;

	codec_sha1_of(digest, bytes);
	assert_int_equal(codec_text_hex(&text, (struct span){ digest, sizeof digest }, &e), 0);
	assert_true(str_is(buf_text(&text), hex));
}

static void sha1_knows_the_published_values(void **state)
{
	(void)state;
	assert_sha1(SPAN(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	assert_sha1(SPAN("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_sha1(SPAN("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		"84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

static void sha1_pads_at_every_length(void **state)
{
	uint8_t bytes[140] = { 0 }, digests[140][CODEC_SHA1_SIZE];

	(void)state;
	for (size_t len = 0; len < sizeof bytes; len++) {
		codec_sha1_of(digests[len], (struct span){ bytes, len });
		for (size_t other = 0; other < len; other++)
			assert_memory_not_equal(digests[len], digests[other], CODEC_SHA1_SIZE);
	}
	assert_sha1((struct span){ bytes, 64 }, "c8d7d0ef0eedfa82d2ea1aa592845b9a6d4b02b7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha1_knows_the_published_values),
		cmocka_unit_test(sha1_pads_at_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
