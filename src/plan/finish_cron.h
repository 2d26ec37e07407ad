/* plan/finish_cron.h - is a CronJob still scheduled?
 *
 *   fine     it runs, is suspended, or this program cannot tell its times
 *   stuck    a run was due while the control plane served, and did not come; or so many were
 *            missed before that the controller has given up on it
 *   soon     its next run will tell, at `due`
 *
 * Times are UTC, which controllers run with.  A time zone of its own, TZ= in the schedule and
 * what is no schedule of five fields are not judged.
 *
 * Source:     robfig/cron v3 (ParseStandard); kubernetes pkg/controller/cronjob: more than 100
 *             missed times without startingDeadlineSeconds, up to 1.20.
 * Units:      seconds since 1970.
 * Ownership:  texts are borrowed; `why` is static.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct finish_schedule {
	uint64_t minutes, hours, days, months, weekdays; /* one bit each */
	bool any_day, any_weekday;
};

bool finish_schedule_parse(struct finish_schedule *schedule, struct str text);

/* The first time after `after`; 0: none within five years. */
int64_t finish_schedule_next(const struct finish_schedule *schedule, int64_t after);

struct finish_cronjob {
	struct str schedule, zone;
	bool suspended, has_deadline;
	bool waits; /* for a job of its own that runs, as concurrencyPolicy Forbid wants */
	int64_t created, last; /* 0: never */
};

enum finish_cron { FINISH_CRON_FINE, FINISH_CRON_STUCK, FINISH_CRON_SOON };

/* `up`: since when the control plane serves again; `patience`: how late its controller may be. */
enum finish_cron finish_cron_judge(const char **why, int64_t *due, const struct finish_cronjob *job,
	int64_t up, int64_t now, int64_t patience);
