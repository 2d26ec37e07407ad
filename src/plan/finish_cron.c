#include "plan/finish_cron.h"

#include <string.h>
#include <time.h>

enum { DAY = 86400, YEARS = 5, MISSED_MAX = 100 };

static bool number(
	unsigned *v, struct str s, const char *const *names, unsigned least, unsigned most)
{
	uint64_t n;

	for (unsigned i = 0; names && names[i]; i++) {
		if (s.len == 3 && !strncasecmp(s.p, names[i], 3)) {
			*v = least + i;
			return true;
		}
	}
	if (!str_u64(&n, s, 10, most) || n < least)
		return false;
	*v = (unsigned)n;
	return true;
}

/* "*", "5", "1-5", "*" or a range with "/2"; "5/15" is from 5 on. */
static bool part(
	uint64_t *bits, struct str s, const char *const *names, unsigned least, unsigned most)
{
	struct str range, step, first, last;
	unsigned from = least, to = most, by = 1;
	const bool stepped = str_cut(&range, &step, s, '/');

	if (stepped && (!number(&by, step, NULL, 1, most ? most : 1) || !by))
		return false;
	if (!str_is(range, "*") && !str_is(range, "?")) {
		const bool both = str_cut(&first, &last, range, '-');
		if (!number(&from, first, names, least, most))
			return false;
		to = both || !stepped ? from : most;
		if (both && !number(&to, last, names, least, most))
			return false;
	}
	if (from > to)
		return false;
	for (unsigned i = from; i <= to; i += by)
		*bits |= UINT64_C(1) << i;
	return true;
}

static bool field(uint64_t *bits, bool *any, struct str s, const char *const *names, unsigned least,
	unsigned most)
{
	struct str one;

	*bits = 0;
	*any = s.len && (s.p[0] == '*' || s.p[0] == '?');
	while (str_next(&one, &s, ',')) {
		if (!part(bits, one, names, least, most))
			return false;
	}
	return *bits != 0;
}

static struct str macro(struct str s)
{
	static const char *const words[][2] = { { "@yearly", "0 0 1 1 *" },
		{ "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
		{ "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" }, { "@midnight", "0 0 * * *" },
		{ "@hourly", "0 * * * *" } };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (str_is(s, words[i][0]))
			return str_from(words[i][1]);
	}
	return s;
}

bool finish_schedule_parse(struct finish_schedule *s, struct str text)
{
	static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
		"aug", "sep", "oct", "nov", "dec", NULL };
	static const char *const days[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };
	struct str rest = macro(str_trim(text)), words[5], more;
	bool ignored;

	for (size_t i = 0; i < 5; i++) {
		if (!str_word(&words[i], &rest))
			return false;
	}
	if (str_word(&more, &rest) || !field(&s->minutes, &ignored, words[0], NULL, 0, 59) ||
		!field(&s->hours, &ignored, words[1], NULL, 0, 23) ||
		!field(&s->days, &s->any_day, words[2], NULL, 1, 31) ||
		!field(&s->months, &ignored, words[3], months, 1, 12) ||
		!field(&s->weekdays, &s->any_weekday, words[4], days, 0, 7))
		return false;
	if (s->weekdays & 1 << 7)
		s->weekdays |= 1;
	return true;
}

static bool is_day(const struct finish_schedule *s, int64_t at)
{
	const time_t t = (time_t)at;
	struct tm tm;

	gmtime_r(&t, &tm);
	const bool day = s->days >> tm.tm_mday & 1, weekday = s->weekdays >> tm.tm_wday & 1;
	return (s->months >> (tm.tm_mon + 1) & 1) &&
	       (s->any_day || s->any_weekday ? day && weekday : day || weekday);
}

int64_t finish_schedule_next(const struct finish_schedule *s, int64_t after)
{
	const int64_t first = after - after % 60 + 60;

	for (int64_t day = first - first % DAY; day < first + YEARS * 366 * (int64_t)DAY;
		day += DAY) {
		if (!is_day(s, day))
			continue;
		for (int64_t t = day < first ? first : day; t < day + DAY; t += 60) {
			const int64_t minute = (t - day) / 60;
			if (!(s->hours >> minute / 60 & 1))
				t = day + (minute / 60 + 1) * 3600 - 60;
			else if (s->minutes >> minute % 60 & 1)
				return t;
		}
	}
	return 0;
}

static bool gave_up(const struct finish_schedule *s, int64_t last, int64_t now)
{
	int missed = 0;

	for (int64_t t = last; missed <= MISSED_MAX; missed++) {
		t = finish_schedule_next(s, t);
		if (!t || t > now)
			return false;
	}
	return true;
}

enum finish_cron finish_cron_judge(const char **why, int64_t *due, const struct finish_cronjob *job,
	int64_t up, int64_t now, int64_t patience)
{
	struct finish_schedule s;
	const int64_t last = job->last ? job->last : job->created;

	*due = 0;
	*why = "";
	if (job->suspended || job->waits ||
		(job->zone.len && !str_is(job->zone, "UTC") && !str_is(job->zone, "Etc/UTC")) ||
		!finish_schedule_parse(&s, job->schedule))
		return FINISH_CRON_FINE;
	if (last < up && !job->has_deadline && now >= up + patience && gave_up(&s, last, up)) {
		*why = "more than 100 runs were missed, and the controller has given up";
		return FINISH_CRON_STUCK;
	}
	*due = finish_schedule_next(&s, up);
	if (!*due || last >= *due)
		return FINISH_CRON_FINE;
	if (now < *due + patience)
		return FINISH_CRON_SOON;
	*why = "a run was due since the restore, and did not come";
	return FINISH_CRON_STUCK;
}
