#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"

static char top[] = "/tmp/etcd-rescue-clock-XXXXXX";
static struct root root = NO_ROOT;

static int make_tree(void **state)
{
	char path[64];
	struct err e;

	(void)state;
	if (!mkdtemp(top) || root_open(&root, top, &e))
		return -1;
	snprintf(path, sizeof path, "%s/proc", top);
	return mkdir(path, 0700);
}

static int drop_tree(void **state)
{
	char command[64];

	(void)state;
	root_close(&root);
	snprintf(command, sizeof command, "rm -r %s", top);
	return system(command);
}

static int64_t floor_with(const char *version)
{
	char path[64];
	struct clock_state now;
	struct err e;

	snprintf(path, sizeof path, "%s/proc/version", top);
	CLOSE_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, version, strlen(version), &e), 0);
	clock_check(&now, &root);
	assert_int_equal(now.believable,
		time(NULL) >= now.floor && time(NULL) < now.floor + 20LL * 31556952);
	assert_false(now.rtc);
	return now.floor;
}

static void clock_floor_is_the_day_the_kernel_was_built(void **state)
{
	(void)state;
	assert_int_equal(floor_with("Linux version 6.12.57+deb13-amd64 (x@y) (gcc 14 (Debian)) #1 "
				    "SMP Debian 6.12.57-1 (2031-03-05)\n"),
		1930435200);
	/* No date, or none that can be: then the day of this program. */
	assert_int_equal(floor_with("Linux version 6.12 (gcc) #1 SMP @0\n"), 1767225600);
	assert_int_equal(
		floor_with("(2031-13-05) (2031-03-32) (20310305) (2031-03-0x)"), 1767225600);
	assert_int_equal(floor_with("(2031-03-05"), 1767225600);
	assert_int_equal(floor_with("(1999-01-01)"), 1767225600);
}

static void clock_print_is_in_utc(void **state)
{
	char text[32];

	(void)state;
	clock_print(text, 0);
	assert_string_equal(text, "1970-01-01 00:00:00 UTC");
	clock_print(text, 1795197607);
	assert_string_equal(text, "2026-11-20 18:00:07 UTC");
	clock_print(text, INT64_MAX);
	assert_string_equal(text, "an impossible time");
}

static void clock_ntp_without_a_server_says_so(void **state)
{
	int64_t off;
	struct err e;

	(void)state;
	assert_int_equal(clock_ntp(&off, NULL, 0, &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "no time server is known");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_floor_is_the_day_the_kernel_was_built),
		cmocka_unit_test(clock_print_is_in_utc),
		cmocka_unit_test(clock_ntp_without_a_server_says_so),
	};
	return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
