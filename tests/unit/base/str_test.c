#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"

static void str_next_gives_empty_parts_between_marks(void **state)
{
	struct str rest = STR("a,,b,"), part;

	(void)state;
	assert_true(str_next(&part, &rest, ',') && str_is(part, "a"));
	assert_true(str_next(&part, &rest, ',') && str_is(part, ""));
	assert_true(str_next(&part, &rest, ',') && str_is(part, "b"));
	assert_false(str_next(&part, &rest, ','));
}

static void str_word_skips_any_white_space(void **state)
{
	struct str rest = STR(" \tip=dhcp\n quiet "), word;

	(void)state;
	assert_true(str_word(&word, &rest) && str_is(word, "ip=dhcp"));
	assert_true(str_word(&word, &rest) && str_is(word, "quiet"));
	assert_false(str_word(&word, &rest));
}

static void str_u64_refuses_what_is_not_a_whole_number_in_range(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(str_u64(&v, STR("18446744073709551615"), 10, UINT64_MAX));
	assert_true(v == UINT64_MAX);
	assert_false(str_u64(&v, STR("18446744073709551616"), 10, UINT64_MAX));
	assert_false(str_u64(&v, STR(""), 10, UINT64_MAX));
	assert_false(str_u64(&v, STR("-1"), 10, UINT64_MAX));
	assert_false(str_u64(&v, STR("1x"), 10, UINT64_MAX));
	assert_false(str_u64(&v, STR("256"), 10, 255));
	assert_true(str_u64(&v, STR("fF"), 16, 255) && v == 255);
}

static void str_distance_counts_single_edits(void **state)
{
	(void)state;
	assert_int_equal(str_distance(STR("snapshto"), STR("snapshot")), 2);
	assert_int_equal(str_distance(STR("souce"), STR("source")), 1);
	assert_int_equal(str_distance(STR(""), STR("abc")), 3);
	/* Too long to be a slip of anything. */
	char much[1000];
	memset(much, 'x', sizeof much);
	assert_int_equal(str_distance((struct str){ much, sizeof much }, STR("xxx")), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(str_next_gives_empty_parts_between_marks),
		cmocka_unit_test(str_word_skips_any_white_space),
		cmocka_unit_test(str_u64_refuses_what_is_not_a_whole_number_in_range),
		cmocka_unit_test(str_distance_counts_single_edits),
	};
	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
