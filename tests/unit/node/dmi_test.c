#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/dmi.h"

static void dmi_read_leaves_out_texts_that_say_nothing(void **state)
{
	struct arena arena = ARENA(1 << 20);
	struct root root;
	struct err e = { 0 };
	struct dmi dmi;

	(void)state;
	assert_int_equal(root_open(&root, "../tests/trees/dell-r610", &e), 0);
	dmi_read(&dmi, &arena, &root);
	root_close(&root);
	assert_string_equal(dmi.vendor, "Dell Inc.");
	assert_string_equal(dmi.product, "PowerEdge R610");
	assert_string_equal(dmi.serial, "7ABC123");
	assert_string_equal(dmi.uuid, "4c4c4544-0041-4210-8043-b7c04f313233");
	assert_string_equal(dmi.chassis, "rack mount");
	assert_string_equal(dmi.bios_date, "05/22/2018");
	assert_null(dmi.version); /* "Not Specified" */
	assert_null(dmi.asset);   /* "To Be Filled By O.E.M." */

	/* A chassis that can be locked has the highest bit set. */
	assert_int_equal(root_open(&root, "../tests/trees/uefi-san", &e), 0);
	dmi_read(&dmi, &arena, &root);
	root_close(&root);
	assert_string_equal(dmi.chassis, "rack mount");

	assert_int_equal(root_open(&root, "../tests/trees/bare", &e), 0);
	dmi_read(&dmi, &arena, &root);
	root_close(&root);
	assert_null(dmi.vendor);
	assert_null(dmi.chassis);
	arena_free(&arena);
}

static void dmi_is_placeholder_knows_names_from_noise(void **state)
{
	static const char *const noise[] = { "To be filled by O.E.M.", "0", "00000000", "........",
		"FFFFFFFF-FFFF-FFFF", "xxxxxxx", "Default string", "0123456789", "none" };
	static const char *const names[] = { "7ABC123", "0F0XJ6", "CZ20480ABC", "xen", "10" };

	(void)state;
	for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
		assert_true(dmi_is_placeholder(noise[i]));
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_false(dmi_is_placeholder(names[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dmi_read_leaves_out_texts_that_say_nothing),
		cmocka_unit_test(dmi_is_placeholder_knows_names_from_noise),
	};
	return cmocka_run_group_tests_name("dmi", tests, NULL, NULL);
}
