#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/kmsg.h"

static bool missing_is(const char *record, const char *file, const char *driver, const char *device)
{
	struct str f, dr, de;

	return kmsg_missing(&f, &dr, &de, str_from(record)) && str_is(f, file) &&
	       str_is(dr, driver) && str_is(de, device);
}

static void kmsg_missing_reads_the_kernels_verdict(void **state)
{
	(void)state;
	assert_true(missing_is("4,1,2,-;tg3 0000:02:00.0: Direct firmware load for t/y.bin "
			       "failed with error -2",
		"t/y.bin", "tg3", "0000:02:00.0"));
}

static void kmsg_missing_is_not_fooled(void **state)
{
	struct str f, dr, de;

	(void)state;
	assert_false(kmsg_missing(&f, &dr, &de, STR("no header: Direct firmware load for x")));
	assert_false(kmsg_missing(&f, &dr, &de, STR("4,1,2,-;a b: Direct firmware load for ")));
	assert_false(kmsg_missing(&f, &dr, &de, STR("4,1,2,-;a b: firmware: direct-loading x")));
	assert_false(
		kmsg_missing(&f, &dr, &de, STR("4,1,2,-;a b: Direct firmware load for \x1b[2J")));
	/* Debian's line for the plain name; x.xz was then found. */
	assert_false(
		kmsg_missing(&f, &dr, &de, STR("4,1,2,-;a b: firmware: failed to load x (-2)")));
	assert_false(kmsg_missing(&f, &dr, &de, STR("")));
}

static void kmsg_firmware_names_each_file_once(void **state)
{
	struct arena arena = ARENA(1 << 20);
	struct kmsg_firmware *missing;
	struct root root;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(root_open(&root, "../tests/trees/dell-r610", &e), 0);
	kmsg_firmware(&missing, &n, &arena, &root);
	assert_int_equal(n, 2);
	assert_string_equal(missing[0].file, "bnx2/bnx2-mips-09-6.2.1b.fw");
	assert_string_equal(missing[0].driver, "bnx2");
	assert_string_equal(missing[1].device, "0000:02:00.0");
	root_close(&root);
	assert_int_equal(root_open(&root, "../tests/trees/bare", &e), 0);
	kmsg_firmware(&missing, &n, &arena, &root);
	assert_int_equal(n, 0);
	root_close(&root);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kmsg_missing_reads_the_kernels_verdict),
		cmocka_unit_test(kmsg_missing_is_not_fooled),
		cmocka_unit_test(kmsg_firmware_names_each_file_once),
	};
	return cmocka_run_group_tests_name("kmsg", tests, NULL, NULL);
}
