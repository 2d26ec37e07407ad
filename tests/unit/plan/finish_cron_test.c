#include "plan/finish_cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "codec/rfc3339.h"

static int64_t at(const char *text)
{
	int64_t t;

	assert_true(rfc3339_parse(&t, str_from(text)));
	return t;
}

static void next_is(const char *schedule, const char *after, const char *want)
{
	struct finish_schedule s;
	char text[RFC3339_SIZE];

	if (!finish_schedule_parse(&s, str_from(schedule)))
		fail_msg("not taken: %s", schedule);
	rfc3339_format(text, finish_schedule_next(&s, at(after)));
	if (strcmp(text, want))
		fail_msg("%s after %s: %s, not %s", schedule, after, text, want);
}

static void the_next_run_is_the_one_of_cron(void **state)
{
	(void)state;
	/* 2026-11-21 is a Saturday. */
	next_is("*/10 * * * *", "2026-11-21T18:00:00Z", "2026-11-21T18:10:00Z");
	next_is("*/10 * * * *", "2026-11-21T18:59:59Z", "2026-11-21T19:00:00Z");
	next_is("5/15 3 * * *", "2026-11-21T03:05:00Z", "2026-11-21T03:20:00Z");
	next_is("0 0 1 1 *", "2026-11-21T18:00:00Z", "2027-01-01T00:00:00Z");
	next_is("30 6 * * mon-fri", "2026-11-21T18:00:00Z", "2026-11-23T06:30:00Z");
	next_is("30 6 * * 7", "2026-11-21T18:00:00Z", "2026-11-22T06:30:00Z");
	/* A day of the month or of the week when both are said. */
	next_is("0 0 13 * 5", "2026-11-21T18:00:00Z", "2026-11-27T00:00:00Z");
	next_is("0 0 13 * *", "2026-11-21T18:00:00Z", "2026-12-13T00:00:00Z");
	next_is("0 0 29 feb *", "2026-11-21T18:00:00Z", "2028-02-29T00:00:00Z");
	next_is("@hourly", "2026-11-21T18:00:01Z", "2026-11-21T19:00:00Z");
	next_is("0,30 1-2,5 * * *", "2026-11-21T02:30:00Z", "2026-11-21T05:00:00Z");
}

static void what_is_no_schedule_is_not_taken(void **state)
{
	static const char *const bad[] = { "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *",
		"* * 0 * *", "* * * 13 *", "* * * * 8", "5-3 * * * *", "*/0 * * * *", "a * * * *",
		"@every 5m", "@reboot", "TZ=UTC 0 0 * * *", "1,,2 * * * *", ", * * * *",
		"1- * * * *", "99999999999999999999 * * * *" };
	struct finish_schedule s;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (finish_schedule_parse(&s, str_from(bad[i])))
			fail_msg("taken: %s", bad[i]);
	}
}

static enum finish_cron judge(const struct finish_cronjob *job, const char *up, const char *now)
{
	const char *why;
	int64_t due;

	return finish_cron_judge(&why, &due, job, at(up), at(now), 90);
}

static void a_job_is_stuck_when_its_run_does_not_come(void **state)
{
	struct finish_cronjob job = { .schedule = STR("*/10 * * * *"),
		.created = at("2026-01-01T00:00:00Z"),
		.last = at("2026-11-21T11:50:00Z") };
	const char *up = "2026-11-21T18:01:00Z";

	(void)state;
	/* 37 missed: the next one tells. */
	assert_int_equal(judge(&job, up, "2026-11-21T18:05:00Z"), FINISH_CRON_SOON);
	assert_int_equal(judge(&job, up, "2026-11-21T18:11:00Z"), FINISH_CRON_SOON);
	assert_int_equal(judge(&job, up, "2026-11-21T18:12:00Z"), FINISH_CRON_STUCK);
	job.last = at("2026-11-21T18:10:00Z");
	assert_int_equal(judge(&job, up, "2026-11-21T18:12:00Z"), FINISH_CRON_FINE);
	/* Two days: the controller has given up, after it had time to show that it has not. */
	job.last = at("2026-11-19T18:00:00Z");
	assert_int_equal(judge(&job, up, "2026-11-21T18:02:00Z"), FINISH_CRON_SOON);
	assert_int_equal(judge(&job, up, "2026-11-21T18:02:30Z"), FINISH_CRON_STUCK);
	job.has_deadline = true;
	assert_int_equal(judge(&job, up, "2026-11-21T18:03:30Z"), FINISH_CRON_SOON);
	job.has_deadline = false;
	job.suspended = true;
	assert_int_equal(judge(&job, up, "2026-11-21T18:30:00Z"), FINISH_CRON_FINE);
	job.suspended = false;
	job.waits = true;
	assert_int_equal(judge(&job, up, "2026-11-21T18:30:00Z"), FINISH_CRON_FINE);
	job.waits = false;
	job.zone = STR("Europe/Berlin");
	assert_int_equal(judge(&job, up, "2026-11-21T18:30:00Z"), FINISH_CRON_FINE);
	job.zone = STR("Etc/UTC");
	assert_int_equal(judge(&job, up, "2026-11-21T18:30:00Z"), FINISH_CRON_STUCK);
	/* One that never ran counts from its making. */
	job = (struct finish_cronjob){ .schedule = STR("*/10 * * * *"),
		.created = at("2026-11-21T18:09:00Z") };
	assert_int_equal(judge(&job, up, "2026-11-21T18:11:00Z"), FINISH_CRON_SOON);
	assert_int_equal(judge(&job, up, "2026-11-21T18:12:00Z"), FINISH_CRON_STUCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_run_is_the_one_of_cron),
		cmocka_unit_test(what_is_no_schedule_is_not_taken),
		cmocka_unit_test(a_job_is_stuck_when_its_run_does_not_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
