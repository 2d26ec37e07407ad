#include "codec/rfc3339.h"

#include <stdio.h>
#include <time.h>

/* Exactly `n` digits off the front of `*s`. */
static bool digits(unsigned *value, struct str *s, size_t n, unsigned least, unsigned most)
{
	uint64_t v;

	if (s->len < n || !str_u64(&v, (struct str){ s->p, n }, 10, most) || v < least)
		return false;
	*value = (unsigned)v;
	*s = (struct str){ s->p + n, s->len - n };
	return true;
}

static bool mark(struct str *s, char c)
{
	if (!s->len || s->p[0] != c)
		return false;
	*s = (struct str){ s->p + 1, s->len - 1 };
	return true;
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* Days since 1970; the year is counted from March, so that the leap day comes last. */
static int64_t day_number(unsigned year, unsigned month, unsigned day)
{
	const int64_t y = (int64_t)year - (month <= 2);
	const int64_t m = (month + 9) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool zone(int64_t *offset, struct str *s)
{
	unsigned hours, minutes;

	*offset = 0;
	if (mark(s, 'Z') || mark(s, 'z'))
		return true;
	const bool west = mark(s, '-');
	if (!west && !mark(s, '+'))
		return false;
	if (!digits(&hours, s, 2, 0, 23) || !mark(s, ':') || !digits(&minutes, s, 2, 0, 59))
		return false;
	*offset = (west ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
	return true;
}

bool rfc3339_parse(int64_t *seconds, struct str text)
{
	unsigned year, month, day, hour, minute, second = 0;
	int64_t offset;

	if (!digits(&year, &text, 4, 1970, 9999) || !mark(&text, '-') ||
		!digits(&month, &text, 2, 1, 12) || !mark(&text, '-') ||
		!digits(&day, &text, 2, 1, days_in(year, month)))
		return false;
	if (!mark(&text, 'T') && !mark(&text, 't') && !mark(&text, ' '))
		return false;
	if (!digits(&hour, &text, 2, 0, 23) || !mark(&text, ':') ||
		!digits(&minute, &text, 2, 0, 59))
		return false;
	if (mark(&text, ':')) {
		if (!digits(&second, &text, 2, 0, 60))
			return false;
		if (mark(&text, '.')) {
			size_t n = 0;
			while (n < text.len && text.p[n] >= '0' && text.p[n] <= '9')
				n++;
			if (!n)
				return false;
			text = (struct str){ text.p + n, text.len - n };
		}
	}
	if (!zone(&offset, &text) || text.len)
		return false;
	const int64_t at = day_number(year, month, day) * 86400 +
			   (int64_t)(hour * 3600 + minute * 60 + second) - offset;
	if (at < 0)
		return false;
	*seconds = at;
	return true;
}

void rfc3339_format(char out[RFC3339_SIZE], int64_t seconds)
{
	const time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year < 70 || tm.tm_year > 9999 - 1900) {
		snprintf(out, RFC3339_SIZE, "(no time)");
		return;
	}
	strftime(out, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

bool duration_parse(uint64_t *seconds, struct str text)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	uint64_t sum = 0, n;
	size_t next = 0;

	if (!text.len)
		return false;
	while (text.len) {
		size_t len = 0;
		while (len < text.len && text.p[len] >= '0' && text.p[len] <= '9')
			len++;
		if (len == text.len || !str_u64(&n, (struct str){ text.p, len }, 10, DURATION_MAX))
			return false;
		/* Units go down, each at most once. */
		while (next < 4 && units[next].unit != text.p[len])
			next++;
		if (next == 4)
			return false;
		sum += n * units[next++].seconds;
		text = (struct str){ text.p + len + 1, text.len - len - 1 };
	}
	if (sum > DURATION_MAX)
		return false;
	*seconds = sum;
	return true;
}
