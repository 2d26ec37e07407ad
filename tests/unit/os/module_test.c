#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/module.h"

static struct arena arena = ARENA(4 << 20);
static struct root root = NO_ROOT;

static int open_tree(void **state)
{
	struct err e = { 0 };

	(void)state;
	return root_open(&root, "../tests/trees/dell-r610", &e);
}

static int close_tree(void **state)
{
	(void)state;
	root_close(&root);
	arena_free(&arena);
	return 0;
}

static void module_aliases_are_sorted_and_each_is_there_once(void **state)
{
	struct names all;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(module_aliases(&all, &arena, &root, &e), 0);
	assert_int_equal(all.n, 4); /* five devices; both ports of the card are alike */
	for (size_t i = 1; i < all.n; i++)
		assert_true(strcmp(all.v[i - 1], all.v[i]) < 0);
}

static void module_new_aliases_leaves_out_what_was_tried(void **state)
{
	const char *old[] = { "a", "c" }, *now[] = { "a", "b", "c", "d" };
	const struct names known = { old, 2 }, all = { now, 4 }, none = { 0 };

	(void)state;
	const struct names new = module_new_aliases(&arena, &all, &known);
	assert_int_equal(new.n, 2);
	assert_string_equal(new.v[0], "b");
	assert_string_equal(new.v[1], "d");
	assert_int_equal(module_new_aliases(&arena, &all, &none).n, 4);
}

static void module_is_storage_looks_at_the_class(void **state)
{
	(void)state;
	assert_true(module_is_storage("pci:v00001000d00000079sv00001028sd00001F17bc01sc04i00"));
	assert_false(module_is_storage("pci:v000014E4d00001639sv00001028sd00000236bc02sc00i00"));
	assert_true(module_is_storage("pci:v00001077d00002261sv00001077sd00000299bc0Csc04i00"));
	assert_true(
		module_is_late_storage("pci:v00001077d00002261sv00001077sd00000299bc0Csc04i00"));
	assert_true(
		module_is_late_storage("pci:v00001000d00000079sv00001028sd00001F17bc01sc04i00"));
	assert_false(
		module_is_late_storage("pci:v00008086d00007010sv00001AF4sd00001100bc01sc01i80"));
	assert_false(
		module_is_late_storage("pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00"));
	assert_false(module_is_storage("usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00"));
}

static void module_listed_skips_comments(void **state)
{
	struct names names;

	(void)state;
	module_listed(&names, &arena, &root, "etc/modules");
	assert_int_equal(names.n, 2);
	assert_string_equal(names.v[0], "dmi-sysfs");
	assert_string_equal(names.v[1], "ipmi_devintf");
	module_listed(&names, &arena, &root, "etc/not-there");
	assert_int_equal(names.n, 0);
}

static void module_orphans_names_cards_and_controllers_without_driver(void **state)
{
	struct module_orphan *orphans;
	size_t n;

	(void)state;
	module_orphans(&orphans, &n, &arena, &root);
	assert_int_equal(n, 1);
	assert_string_equal(orphans[0].address, "0000:01:00.1");
	assert_string_equal(orphans[0].kind, "network");
	assert_string_equal(orphans[0].vendor, "14e4");
	assert_string_equal(orphans[0].device, "1639");
}

static void module_wait_counts_devices_until_it_is_quiet(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_true(write(ends[1], "add@/devices/a", 15) == 15);
	assert_true(write(ends[1], "change@/devices/a", 18) == 18);
	assert_true(write(ends[1], "add@/devices/b", 15) == 15);
	assert_int_equal(module_wait(ends[0], 50, 5000), 2);
	assert_int_equal(module_wait(ends[0], 50, 5000), 0);
	assert_int_equal(module_wait(-1, 10, 5000), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(module_aliases_are_sorted_and_each_is_there_once),
		cmocka_unit_test(module_new_aliases_leaves_out_what_was_tried),
		cmocka_unit_test(module_is_storage_looks_at_the_class),
		cmocka_unit_test(module_listed_skips_comments),
		cmocka_unit_test(module_orphans_names_cards_and_controllers_without_driver),
		cmocka_unit_test(module_wait_counts_devices_until_it_is_quiet),
	};
	return cmocka_run_group_tests_name("module", tests, open_tree, close_tree);
}
