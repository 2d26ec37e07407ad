#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/address.h"

static void addresses_are_read_in_any_spelling(void **state)
{
	(void)state;
	assert_int_equal(address_read(STR("10.0.0.1")).len, 4);
	assert_int_equal(address_read(STR("[fd00::7]")).len, 16);
	assert_int_equal(address_read(STR("fd00::7")).bytes[15], 7);
	assert_int_equal(address_read(STR("")).len, 0);
	assert_int_equal(address_read(STR("[]")).len, 0);
	assert_int_equal(address_read(STR("m1")).len, 0);
	assert_int_equal(address_read(STR("10.0.0.1:2380")).len, 0);
	assert_int_equal(address_read(STR("fe80::1%eth0")).len, 0);
	assert_int_equal(address_read(STR("10.0.0.1\0")).len, 0);
	assert_int_equal(address_read(STR("1111111111111111111111111111111111111111111111111"
					  "1"))
				 .len,
		0);
}

static void one_address_has_many_spellings(void **state)
{
	(void)state;
	assert_true(address_same(STR("fd00::7"), STR("FD00:0:0:0:0:0:0:7")));
	assert_true(address_same(STR("[fd00::7]"), STR("fd00:0000::0007")));
	assert_true(address_same(STR("M1"), STR("m1")));
	assert_false(address_same(STR("fd00::7"), STR("fd00::70")));
	assert_false(address_same(STR("10.0.0.1"), STR("10.0.0.10")));
	assert_false(address_same(STR("10.0.0.1"), STR("m1")));
	assert_false(address_same(STR("m1"), STR("m10")));
	assert_true(address_same(STR(""), STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_in_any_spelling),
		cmocka_unit_test(one_address_has_many_spellings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
