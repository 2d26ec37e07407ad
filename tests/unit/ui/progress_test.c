#include "ui/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t mega = 1000000;

static void shows(const struct progress *p, const char *want)
{
	char line[PROGRESS_LINE];

	progress_line(line, p, "fetch");
	assert_string_equal(line, want);
}

static void rate_and_time_left_follow_from_the_bytes(void **state)
{
	struct progress p = { .n = 0 };

	(void)state;
	progress_take(&p, 1000, 0, 2000 * mega);
	shows(&p, "fetch: 0 B of 2.0 GB (0 %)");
	progress_take(&p, 1100, 50 * mega, 2000 * mega);
	assert_int_equal(p.rate, 0);
	progress_take(&p, 2000, 500 * mega, 2000 * mega);
	shows(&p, "fetch: 500 MB of 2.0 GB (25 %), 500 MB/s, 3 s left");
	progress_take(&p, 5000, 2000 * mega, 2000 * mega);
	shows(&p, "fetch: 2.0 GB of 2.0 GB (100 %), 500 MB/s");
}

static void a_rate_of_long_ago_is_forgotten(void **state)
{
	struct progress p = { .n = 0 };
	uint64_t done = 0, now = 0;

	(void)state;
	for (; now < 20000; now += 250, done += 25 * mega)
		progress_take(&p, now, done, 0);
	assert_in_range(p.rate, 99 * mega, 101 * mega);
	for (; now < 40000; now += 250, done += mega / 4)
		progress_take(&p, now, done, 0);
	assert_in_range(p.rate, mega * 99 / 100, mega * 101 / 100);
	progress_take(&p, now, done, 0);
	assert_int_equal(progress_left(&p), UINT64_MAX);
}

static void unknown_sizes_and_new_beginnings(void **state)
{
	struct progress p = { .n = 0 };

	(void)state;
	progress_take(&p, 0, 100, 0);
	progress_take(&p, 1000, 1500, 0);
	shows(&p, "fetch: 1.5 kB, 1.4 kB/s");
	/* More came than was told: no share can be right. */
	progress_take(&p, 2000, 3000, 1000);
	shows(&p, "fetch: 3.0 kB, 1.4 kB/s");
	progress_take(&p, 3000, 10, 50);
	assert_int_equal(p.rate, 0);
	shows(&p, "fetch: 10 B of 50 B (20 %)");
}

static void long_waits_are_told_in_larger_units(void **state)
{
	struct progress p = { .n = 0 };

	(void)state;
	progress_take(&p, 0, 0, 1000 * mega);
	progress_take(&p, 1000, mega, 1000 * mega);
	shows(&p, "fetch: 1.0 MB of 1.0 GB (0 %), 1.0 MB/s, 16 min left");
	p.n = 0;
	progress_take(&p, 0, 0, 100000 * mega);
	progress_take(&p, 1000, mega, 100000 * mega);
	shows(&p, "fetch: 1.0 MB of 100 GB (0 %), 1.0 MB/s, 27 h left");
	p = (struct progress){ .done = UINT64_MAX, .total = UINT64_MAX, .rate = UINT64_MAX };
	char line[PROGRESS_LINE], step[200];
	memset(step, 'x', sizeof step - 1);
	step[sizeof step - 1] = '\0';
	progress_line(line, &p, step);
	assert_true(strlen(line) < PROGRESS_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_and_time_left_follow_from_the_bytes),
		cmocka_unit_test(a_rate_of_long_ago_is_forgotten),
		cmocka_unit_test(unknown_sizes_and_new_beginnings),
		cmocka_unit_test(long_waits_are_told_in_larger_units),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
