#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/sysmacros.h>

#include "os/mountinfo.h"

static void mountinfo_next_passes_over_what_is_no_line(void **state)
{
	struct arena a = ARENA(1 << 16);
	struct str text = STR("25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
			      "nonsense\n"
			      "26 30 8-2 / /not rw - ext4 /dev/sda2 rw\n"
			      "27 30 8:2 / /cut rw shared:1\n"
			      "28 30 8:2 / /cut rw -\n"
			      "\n"
			      "36 35 259:3 /ostree/deploy /my\\040disk rw master:1 shared:2 - xfs "
			      "/dev/nvme0n1p3 rw\n"
			      "37 35 8:2 / / rw - ext4 /dev/root rw");
	struct mountinfo m;

	(void)state;
	assert_true(mountinfo_next(&m, &a, &text));
	assert_int_equal(m.device, makedev(0, 23));
	assert_string_equal(m.where, "/sys");
	assert_true(str_is(m.source, "sysfs"));
	assert_true(mountinfo_next(&m, &a, &text));
	assert_int_equal(m.device, makedev(259, 3));
	assert_true(str_is(m.root, "/ostree/deploy"));
	assert_string_equal(m.where, "/my disk");
	assert_true(str_is(m.source, "/dev/nvme0n1p3"));
	assert_true(mountinfo_next(&m, &a, &text));
	assert_true(str_is(m.root, "/"));
	assert_false(mountinfo_next(&m, &a, &text));
	arena_free(&a);
}

static void mountinfo_unescape_leaves_other_backslashes(void **state)
{
	struct arena a = ARENA(1 << 16);

	(void)state;
	assert_true(str_is(mountinfo_unescape(&a, STR("a\\011b\\134")), "a\tb\\"));
	assert_true(str_is(mountinfo_unescape(&a, STR("\\04\\400\\x20\\")), "\\04\\400\\x20\\"));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mountinfo_next_passes_over_what_is_no_line),
		cmocka_unit_test(mountinfo_unescape_leaves_other_backslashes),
	};

	return cmocka_run_group_tests_name("mountinfo", tests, NULL, NULL);
}
