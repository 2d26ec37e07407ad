#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/percent.h"

static void percent_encode_leaves_what_it_is_told_to(void **state)
{
	struct arena a = ARENA(1 << 16);
	const struct str zero = { "a\0b", 3 };

	(void)state;
	assert_string_equal(percent_encode(&a, STR("a/b c~"), "-._~", false), "a%2Fb%20c~");
	assert_string_equal(percent_encode(&a, STR("a/b c~"), "-._~/", false), "a/b%20c~");
	assert_string_equal(percent_encode(&a, STR("\xc3\xa4"), "", false), "%C3%A4");
	assert_string_equal(percent_encode(&a, STR("\xc3\xa4"), "", true), "\xc3\xa4");
	assert_string_equal(percent_encode(&a, zero, "-._~", false), "a%00b");
	assert_string_equal(percent_encode(&a, STR(""), "", false), "");
	arena_free(&a);
}

static void percent_decode_takes_what_is_no_encoding_as_it_stands(void **state)
{
	static const struct {
		struct str from, to;
	} rows[] = { { STR("a%20b"), STR("a b") }, { STR("%2f%2F"), STR("//") },
		{ STR("100%"), STR("100%") }, { STR("%4"), STR("%4") }, { STR("%4g"), STR("%4g") },
		{ STR("%%41"), STR("%A") }, { STR("%00"), { "\0", 1 } }, { STR("+"), STR("+") },
		{ STR(""), STR("") } };
	struct arena a = ARENA(1 << 16);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_true(str_equal(percent_decode(&a, rows[i].from), rows[i].to));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percent_encode_leaves_what_it_is_told_to),
		cmocka_unit_test(percent_decode_takes_what_is_no_encoding_as_it_stands),
	};

	return cmocka_run_group_tests_name("percent", tests, NULL, NULL);
}
