#include "source/name_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "codec/rfc3339.h"

enum { FIRST_YEAR = 2000, LAST_YEAR = 2099 };

static const int64_t first_second = 946684800, last_second = 4102444799;

/* What has been read of a time; hour -1: only a day. */
struct clock_face {
	unsigned year, month, day;
	int hour;
	unsigned minute, second;
	int zone_minutes;
	bool zone;
};

static size_t digits_at(struct str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.len && ascii_is_digit(s.p[at + n]))
		n++;
	return n;
}

/* `n` digits at `*at` and not one more when `alone`. */
static bool number(unsigned *value, size_t *at, struct str s, size_t n, unsigned most, bool alone)
{
	uint64_t v;
	const size_t there = digits_at(s, *at);

	if (there < n || (alone && there != n) ||
		!str_u64(&v, (struct str){ s.p + *at, n }, 10, most))
		return false;
	*value = (unsigned)v;
	*at += n;
	return true;
}

static char char_at(struct str s, size_t at)
{
	return at < s.len ? s.p[at] : '\0';
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* Y-m-d with the same mark twice, or none; `*at` is then behind it. */
static bool read_date(struct clock_face *c, size_t *at, struct str s)
{
	size_t i = *at;

	if (!number(&c->year, &i, s, 4, LAST_YEAR, false) || c->year < FIRST_YEAR)
		return false;
	const char mark = char_at(s, i);
	const bool marked = is_one_of(mark, "-_./");
	if (marked)
		i++;
	if (!number(&c->month, &i, s, 2, 12, marked) || !c->month)
		return false;
	if (marked && char_at(s, i++) != mark)
		return false;
	if (!number(&c->day, &i, s, 2, 31, false) || !c->day)
		return false;
	c->hour = -1;
	*at = i;
	return true;
}

/* +01:00, +0100, Z, UTC; a '-' may as well begin what follows in the name. */
static void read_zone(struct clock_face *c, size_t *at, struct str s)
{
	const char sign = char_at(s, *at);
	unsigned hours, minutes;
	size_t i = *at;

	if ((sign == 'Z' || sign == 'z') && !ascii_is_word(char_at(s, i + 1))) {
		c->zone = true;
		*at = i + 1;
		return;
	}
	if (is_one_of(sign, "-_ "))
		i++;
	const struct str rest = { s.p + i, s.len - i };
	if ((str_starts(rest, STR("UTC")) || str_starts(rest, STR("GMT"))) &&
		!ascii_is_word(char_at(s, i + 3))) {
		c->zone = true;
		*at = i + 3;
		return;
	}
	i = *at;
	if (!is_one_of(sign, "+-"))
		return;
	i++;
	if (!number(&hours, &i, s, 2, 14, false))
		return;
	const bool colon = char_at(s, i) == ':';
	i += colon;
	if (!number(&minutes, &i, s, 2, 59, true) || (sign == '-' && !colon))
		return;
	c->zone = true;
	c->zone_minutes = (sign == '-' ? -1 : 1) * (int)(hours * 60 + minutes);
	*at = i;
}

/* H-M-S, HMS, H:M, in any marks, behind a date. */
static void read_clock(struct clock_face *c, size_t *at, struct str s, bool joined)
{
	unsigned hour, minute, second = 0;
	size_t i = *at;

	/* 20261120180030 has no mark before the hour, 2026-11-20180030 is no time. */
	if (!joined) {
		if (!is_one_of(char_at(s, i), "Tt-_. @/+"))
			return;
		i++;
	}
	const size_t run = digits_at(s, i);
	if (run == 6 || run == 4) {
		if (!number(&hour, &i, s, 2, 23, false) || !number(&minute, &i, s, 2, 59, false) ||
			(run == 6 && !number(&second, &i, s, 2, 60, true)))
			return;
	} else if (run == 2) {
		if (!number(&hour, &i, s, 2, 23, true))
			return;
		const char mark = char_at(s, i);
		size_t j = i + 1;
		if (!is_one_of(mark, ":-_.h") || !number(&minute, &j, s, 2, 59, true))
			return;
		i = j;
		j = i + 1;
		if (char_at(s, i) == mark && number(&second, &j, s, 2, 60, true))
			i = j;
	} else {
		return;
	}
	c->hour = (int)hour;
	c->minute = minute;
	c->second = second;
	if (char_at(s, i) == '.' && digits_at(s, i + 1) && digits_at(s, i + 1) <= 9)
		i += 1 + digits_at(s, i + 1);
	read_zone(c, &i, s);
	*at = i;
}

/* The calendar is rfc3339's: a day that does not exist is no time. */
static bool face_value(int64_t *seconds, const struct clock_face *c)
{
	char text[64];

	snprintf(text, sizeof text, "%04u-%02u-%02uT%02d:%02u:%02uZ", c->year, c->month, c->day,
		c->hour < 0 ? 0 : c->hour, c->minute, c->second);
	if (!rfc3339_parse(seconds, str_from(text)))
		return false;
	*seconds -= (int64_t)c->zone_minutes * 60;
	return true;
}

/* 20261120180030, 202611201800, 2026112018, and a plain date before a clock of its own. */
static bool find_calendar(struct name_time *found, struct str s, size_t from)
{
	struct clock_face c = { .hour = -1 };
	const size_t run = digits_at(s, from);
	size_t at = from;

	if (!read_date(&c, &at, s))
		return false;
	if (run == 10) {
		unsigned hour;
		if (!number(&hour, &at, s, 2, 23, true))
			return false;
		c.hour = (int)hour;
		found->precision = NAME_PRECISION_HOUR;
	} else if (run == 12 || run == 14) {
		read_clock(&c, &at, s, true);
		if (c.hour < 0)
			return false;
		found->precision = NAME_PRECISION_SECOND;
	} else if (run != 8 && run != 4) {
		return false;
	} else {
		if (digits_at(s, at))
			return false;
		read_clock(&c, &at, s, false);
		found->precision = c.hour < 0 ? NAME_PRECISION_DAY : NAME_PRECISION_SECOND;
	}
	found->zone = c.zone;
	found->text = (struct str){ s.p + from, at - from };
	return face_value(&found->seconds, &c);
}

/* Seconds, milliseconds or nanoseconds since 1970. */
static bool find_unix(struct name_time *found, struct str s, size_t from)
{
	const size_t run = digits_at(s, from);
	uint64_t v;

	if ((run != 10 && run != 13 && run != 19) ||
		!str_u64(&v, (struct str){ s.p + from, run }, 10, INT64_MAX))
		return false;
	v /= run == 10 ? 1 : run == 13 ? 1000 : 1000000000;
	if ((int64_t)v < first_second || (int64_t)v > last_second)
		return false;
	*found = (struct name_time){ (int64_t)v, NAME_PRECISION_SECOND, true, { s.p + from, run } };
	return true;
}

bool name_time_find(struct name_time *found, struct str name)
{
	struct name_time best = { .seconds = 0 }, t;
	bool any = false;

	for (size_t at = 0; at < name.len;) {
		if (!digits_at(name, at)) {
			at++;
			continue;
		}
		const size_t run = digits_at(name, at);
		t = (struct name_time){ .seconds = 0 };
		const bool hit = find_calendar(&t, name, at) || find_unix(&t, name, at);
		if (hit && (!any || t.precision >= best.precision)) {
			best = t;
			any = true;
		}
		at += hit && t.text.len > run ? t.text.len : run;
	}
	if (any)
		*found = best;
	return any;
}
