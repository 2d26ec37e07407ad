#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/names.h"

static void names_compare_counts_numbers(void **state)
{
	(void)state;
	assert_true(names_compare("sd9", "sd10") < 0);
	assert_true(names_compare("nvme0n1p2", "nvme0n1p10") < 0);
	assert_true(names_compare("nvme1n1", "nvme0n2") > 0);
	assert_true(names_compare("eth0", "eth0") == 0);
	assert_true(names_compare("eth", "eth0") < 0);
	assert_true(names_compare("99999999999999999999998", "99999999999999999999999") < 0);
	assert_true(names_compare("a", "b") < 0);
}

static void names_read_is_sorted_and_leaves_the_dots_out(void **state)
{
	struct arena arena = ARENA(1 << 20);
	struct names names;
	struct root root;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(root_open(&root, "../tests/trees/uefi-san", &e), 0);
	assert_int_equal(names_read(&names, &arena, &root, "sys/block", &e), 0);
	assert_int_equal(names.n, 3);
	assert_string_equal(names.v[0], "nvme0n1");
	assert_string_equal(names.v[2], "sdb");
	assert_int_equal(names_read(&names, &arena, &root, "sys/nowhere", &e), ERR_NOTFOUND);
	assert_int_equal(names.n, 3);
	root_close(&root);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_compare_counts_numbers),
		cmocka_unit_test(names_read_is_sorted_and_leaves_the_dots_out),
	};
	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
