#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/fnv.h"

static void fnv_knows_the_published_values(void **state)
{
	(void)state;
	assert_true(codec_fnv1a64(SPAN("")) == 0xcbf29ce484222325);
	assert_true(codec_fnv1a64(SPAN("a")) == 0xaf63dc4c8601ec8c);
	assert_true(codec_fnv1a64(SPAN("foobar")) == 0x85944171f73967e8);
}

static void fnv_is_what_a_meta_page_carries(void **state)
{
	/* The 56 bytes before the checksum of a meta page that bbolt wrote. */
	static const char meta[] = "\xed\xda\x0c\xed\2\0\0\0\0\x10\0\0\0\0\0\0\3\0\0\0\0\0\0\0"
				   "\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
				   "\5\0\0\0\0\0\0\0\x0b\0\0\0\0\0\0\0";
	uint8_t stored[8];

	(void)state;
	assert_int_equal(sizeof meta - 1, 56);
	put_le64(stored, codec_fnv1a64(SPAN(meta)));
	assert_memory_equal(stored, "\x0e\x9d\x27\x7f\x24\x07\x33\xef", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fnv_knows_the_published_values),
		cmocka_unit_test(fnv_is_what_a_meta_page_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
