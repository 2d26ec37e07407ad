#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "os/tty.h"

static struct arena arena = ARENA(1 << 20);

static const struct tty *named(const char *tree, const char *name)
{
	struct root root;
	struct err e = { 0 };
	struct tty *ttys;
	size_t n;

	assert_int_equal(root_open(&root, tree, &e), 0);
	tty_list(&ttys, &n, &arena, &root);
	root_close(&root);
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(ttys[i].name, name))
			return &ttys[i];
	}
	return NULL;
}

static void tty_list_asks_each_port_before_it_is_used(void **state)
{
	const char *tree = "../tests/trees/dell-r610";

	(void)state;
	const struct tty *first = named(tree, "ttyS0"), *second = named(tree, "ttyS1"),
			 *third = named(tree, "ttyS2");
	assert_string_equal(first->kind, "serial");
	assert_string_equal(first->hardware, "16550A");
	assert_int_equal(first->answers, 1);
	assert_int_equal(first->connected, 1);
	assert_true(first->kernel);
	assert_int_equal(second->answers, 1);
	assert_int_equal(second->connected, 0);
	assert_false(second->kernel);
	assert_int_equal(third->answers, 0);
	assert_null(third->hardware);
}

static void tty_list_knows_a_screen_from_a_dummy(void **state)
{
	(void)state;
	const struct tty *real = named("../tests/trees/dell-r610", "tty1");
	assert_int_equal(real->answers, 1);
	assert_string_equal(real->hardware, "VGA+");
	assert_true(real->kernel);
	const struct tty *dummy = named("../tests/trees/uefi-san", "tty1");
	assert_int_equal(dummy->answers, 0);
	assert_false(dummy->kernel);
	assert_null(named("../tests/trees/bare", "tty1"));
}

static void tty_list_takes_only_the_virtual_consoles_that_open(void **state)
{
	(void)state;
	assert_int_equal(named("../tests/trees/uefi-san", "hvc0")->answers, 1);
	assert_null(named("../tests/trees/uefi-san", "hvc1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tty_list_asks_each_port_before_it_is_used),
		cmocka_unit_test(tty_list_knows_a_screen_from_a_dummy),
		cmocka_unit_test(tty_list_takes_only_the_virtual_consoles_that_open),
	};
	const int failed = cmocka_run_group_tests_name("tty", tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
