#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/ebs_device.h"

#define GIB ((uint64_t)1 << 30)

static const struct block before[] = {
	{ .name = "xvda", .size = 8 * GIB },
	{ .name = "nvme0n1", .serial = "vol0aaaaaaaaaaaaaaaa", .size = 20 * GIB },
};
static const struct ebs_disk wanted = { "vol-0123456789abcdef0", "/dev/sdf", 20 * GIB, before, 2 };

static const struct block *among(const struct block *v, size_t n)
{
	bool several;
	const struct block *b = ebs_disk_among(&several, v, n, &wanted);

	assert_false(several);
	return b;
}

static void the_serial_tells_whatever_the_name_is(void **state)
{
	const struct block v[] = {
		{ .name = "nvme0n1", .serial = "vol0aaaaaaaaaaaaaaaa", .size = 20 * GIB },
		{ .name = "sdf", .serial = "QEMU", .size = 20 * GIB },
		{ .name = "xvdf", .size = 20 * GIB },
		{ .name = "nvme7n1", .serial = "vol0123456789abcdef0", .size = 1 },
	};

	(void)state;
	assert_ptr_equal(among(v, 4), &v[3]);
}

static void a_disk_of_the_right_name_alone_is_not_it(void **state)
{
	const struct block v[] = {
		{ .name = "sdf", .serial = "QEMU", .size = 20 * GIB },
		{ .name = "nvme1n1", .serial = "vol0123456789abcdef1", .size = 20 * GIB },
		{ .name = "xvdf", .size = 19 * GIB },
		{ .name = "vdf", .size = 20 * GIB },
	};

	(void)state;
	assert_null(among(v, 4));
}

static void on_xen_a_new_disk_of_the_size_is_it(void **state)
{
	const struct block v[] = {
		{ .name = "xvda", .size = 20 * GIB }, /* was there before */
		{ .name = "xvdj", .size = 20 * GIB }, /* where a kernel counts otherwise */
	};
	const struct block two[] = {
		{ .name = "xvdf", .size = 20 * GIB },
		{ .name = "xvdj", .size = 20 * GIB },
	};

	(void)state;
	assert_ptr_equal(among(v, 2), &v[1]);
	assert_ptr_equal(among(two, 2), &two[0]);
}

static void two_that_could_be_it_are_none(void **state)
{
	const struct block v[] = {
		{ .name = "xvdj", .size = 20 * GIB },
		{ .name = "xvdk", .size = 20 * GIB },
	};
	bool several;

	(void)state;
	assert_null(ebs_disk_among(&several, v, 2, &wanted));
	assert_true(several);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_serial_tells_whatever_the_name_is),
		cmocka_unit_test(a_disk_of_the_right_name_alone_is_not_it),
		cmocka_unit_test(on_xen_a_new_disk_of_the_size_is_it),
		cmocka_unit_test(two_that_could_be_it_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
