#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/rfc3339.h"

static void rfc3339_reads_instants_with_their_zone(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-20T18:00Z", 1795197600 },
		{ "2026-11-20 18:00:30z", 1795197630 },
		{ "2026-11-20T18:00:30.987654Z", 1795197630 },
		{ "2026-11-20T19:00+01:00", 1795197600 },
		{ "2026-11-20t12:30-05:30", 1795197600 },
		{ "2024-02-29T00:00Z", 1709164800 },
		{ "2000-02-29T23:59:60Z", 951868800 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
	};
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(rfc3339_parse(&seconds, str_from(good[i].text)));
		assert_int_equal(seconds, good[i].seconds);
	}
}

static void rfc3339_refuses_what_is_no_instant(void **state)
{
	static const char *const bad[] = { "", "2026-11-20", "2026-11-20T18:00", "2026-11-20T18Z",
		"2026-02-29T00:00Z", "2026-13-01T00:00Z", "2026-00-01T00:00Z", "2026-11-31T00:00Z",
		"2026-11-20T24:00Z", "2026-11-20T18:60Z", "2026-11-20T18:00:61Z",
		"2026-11-20T18:00:00.Z", "2026-11-20T18:00:00+1:00", "2026-11-20T18:00:00+24:00",
		"1969-12-31T23:59Z", "1970-01-01T00:30+01:00", "2026-11-20T18:00Zx",
		" 2026-11-20T18:00Z", "2026-1-20T18:00Z", "99999-01-01T00:00Z",
		"1900-02-29T00:00Z" };
	int64_t seconds = 7;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (rfc3339_parse(&seconds, str_from(bad[i])))
			fail_msg("took '%s'", bad[i]);
	}
	assert_int_equal(seconds, 7);
}

static void rfc3339_format_gives_what_parse_reads(void **state)
{
	char text[RFC3339_SIZE];
	int64_t back;

	(void)state;
	/* About every 97 days for eight thousand years. */
	for (int64_t t = 0; t < 253402300800; t += 8388607) {
		rfc3339_format(text, t);
		assert_true(rfc3339_parse(&back, str_from(text)));
		assert_int_equal(back, t);
	}
	rfc3339_format(text, 1795197630);
	assert_string_equal(text, "2026-11-20T18:00:30Z");
	rfc3339_format(text, INT64_MAX);
	assert_string_equal(text, "(no time)");
}

static void duration_reads_units_from_days_to_seconds(void **state)
{
	uint64_t s = 0;

	(void)state;
	assert_true(duration_parse(&s, STR("90s")));
	assert_int_equal(s, 90);
	assert_true(duration_parse(&s, STR("1h30m")));
	assert_int_equal(s, 5400);
	assert_true(duration_parse(&s, STR("7d")));
	assert_int_equal(s, 604800);
	assert_true(duration_parse(&s, STR("0s")));
	assert_int_equal(s, 0);
}

static void duration_refuses_what_is_none(void **state)
{
	static const char *const bad[] = { "", "15", "m", "15 m", "-15m", "1.5h", "30m1h", "1m1m",
		"1x", "367d", "99999999999999999999s", "366d1s", "15m " };
	uint64_t s = 7;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (duration_parse(&s, str_from(bad[i])))
			fail_msg("took '%s'", bad[i]);
	}
	assert_int_equal(s, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_reads_instants_with_their_zone),
		cmocka_unit_test(rfc3339_refuses_what_is_no_instant),
		cmocka_unit_test(rfc3339_format_gives_what_parse_reads),
		cmocka_unit_test(duration_reads_units_from_days_to_seconds),
		cmocka_unit_test(duration_refuses_what_is_none),
	};

	return cmocka_run_group_tests_name("rfc3339", tests, NULL, NULL);
}
