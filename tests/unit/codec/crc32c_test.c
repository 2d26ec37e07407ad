#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/crc32c.h"

static uint8_t bytes[4096];

static void fill(void)
{
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 256);
}

static void crc32c_knows_the_published_values(void **state)
{
	static const uint8_t zeros[32];
	uint8_t ones[32];

	(void)state;
	memset(ones, 0xff, sizeof ones);
	for (int path = CODEC_BEST; path <= CODEC_MACHINE; path++) {
		if (path == CODEC_MACHINE && !codec_cpu_has_crc32c())
			continue;
		assert_int_equal(codec_crc32c_by(path, 0, SPAN("123456789")), 0xe3069283);
		assert_int_equal(codec_crc32c_by(path, 0, SPAN("")), 0);
		/* RFC 3720, B.4 */
		assert_int_equal(
			codec_crc32c_by(path, 0, (struct span){ zeros, sizeof zeros }), 0x8a9136aa);
		assert_int_equal(
			codec_crc32c_by(path, 0, (struct span){ ones, sizeof ones }), 0x62a8ab43);
	}
}

static void crc32c_of_two_pieces_is_that_of_the_whole(void **state)
{
	(void)state;
	fill();
	const uint32_t whole = codec_crc32c(0, (struct span){ bytes, 777 });

	for (size_t cut = 0; cut <= 777; cut += 3) {
		const uint32_t head = codec_crc32c(0, (struct span){ bytes, cut });

		assert_int_equal(
			codec_crc32c(head, (struct span){ bytes + cut, 777 - cut }), whole);
	}
}

static void crc32c_is_the_same_on_both_paths(void **state)
{
	(void)state;
	if (!codec_cpu_has_crc32c())
		skip();
	fill();
	for (size_t start = 0; start < 9; start++) {
		for (size_t len = 0; len < 300; len++) {
			const struct span piece = { bytes + start, len };

			assert_int_equal(codec_crc32c_by(CODEC_PORTABLE, 0x1234, piece),
				codec_crc32c_by(CODEC_MACHINE, 0x1234, piece));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_knows_the_published_values),
		cmocka_unit_test(crc32c_of_two_pieces_is_that_of_the_whole),
		cmocka_unit_test(crc32c_is_the_same_on_both_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
