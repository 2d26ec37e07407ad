#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static void utf8_put_takes_one_to_four_bytes(void **state)
{
	static const struct {
		uint32_t code;
		const char *text;
		size_t n;
	} rows[] = { { 'a', "a", 1 }, { 0x7f, "\x7f", 1 }, { 0x80, "\xc2\x80", 2 },
		{ 0x7ff, "\xdf\xbf", 2 }, { 0x800, "\xe0\xa0\x80", 3 },
		{ 0xffff, "\xef\xbf\xbf", 3 }, { 0x10000, "\xf0\x90\x80\x80", 4 },
		{ 0x10ffff, "\xf4\x8f\xbf\xbf", 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[4];
		assert_int_equal(utf8_put(out, rows[i].code), rows[i].n);
		assert_memory_equal(out, rows[i].text, rows[i].n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_put_takes_one_to_four_bytes),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
