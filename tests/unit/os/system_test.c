#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/system.h"

static struct arena arena = ARENA(1 << 20);

static struct system look(const char *tree)
{
	struct root root;
	struct err e = { 0 };
	struct system s;

	assert_int_equal(root_open(&root, tree, &e), 0);
	system_read(&s, &arena, &root);
	root_close(&root);
	return s;
}

static void system_read_tells_processor_memory_and_kernel(void **state)
{
	(void)state;
	const struct system s = look("../tests/trees/dell-r610");
	assert_int_equal(s.n_cpus, 2);
	assert_string_equal(s.cpu, "Intel(R) Xeon(R) CPU           E5540  @ 2.53GHz");
	assert_true(s.memory == 12288000ULL * 1024);
	assert_true(s.available == 12000000ULL * 1024);
	assert_string_equal(s.kernel, "6.12.107+deb13-amd64");
	assert_string_equal(s.firmware, "bios");
	assert_int_equal(s.secure_boot, -1);
	assert_null(s.lockdown);
}

static void system_read_tells_secure_boot_and_lockdown(void **state)
{
	(void)state;
	const struct system s = look("../tests/trees/uefi-san");
	assert_string_equal(s.firmware, "uefi");
	assert_int_equal(s.secure_boot, 1);
	assert_int_equal(s.setup_mode, 0);
	assert_string_equal(s.lockdown, "integrity");
}

static void system_read_knows_nothing_of_an_empty_tree(void **state)
{
	(void)state;
	const struct system s = look("../tests/trees/bare/etc");
	assert_null(s.kernel);
	assert_null(s.line);
	assert_null(s.firmware);
	assert_int_equal(s.n_cpus, 0);
	assert_true(!s.memory && !s.available);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_read_tells_processor_memory_and_kernel),
		cmocka_unit_test(system_read_tells_secure_boot_and_lockdown),
		cmocka_unit_test(system_read_knows_nothing_of_an_empty_tree),
	};
	const int failed = cmocka_run_group_tests_name("system", tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
