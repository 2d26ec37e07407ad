#include "base/str.h"

#include <string.h>

#include "base/ascii.h"

struct str str_from(const char *text)
{
	return text ? (struct str){ text, strlen(text) } : (struct str){ "", 0 };
}

bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

bool str_is(struct str a, const char *text)
{
	return str_equal(a, str_from(text));
}

int str_compare(struct str a, struct str b)
{
	const size_t n = a.len < b.len ? a.len : b.len;
	const int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (!prefix.len || !memcmp(s.p, prefix.p, prefix.len));
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (!suffix.len || !memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len));
}

bool str_find(size_t *at, struct str s, struct str what)
{
	/* Nothing may be a NULL, which memmem does not take. */
	const char *hit = !what.len ? s.p : s.len ? memmem(s.p, s.len, what.p, what.len) : NULL;

	if (!hit)
		return false;
	*at = (size_t)(hit - s.p);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

struct str str_trim(struct str s)
{
	while (s.len && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool str_cut(struct str *head, struct str *rest, struct str s, char mark)
{
	const char *hit = s.len ? memchr(s.p, mark, s.len) : NULL;

	if (!hit) {
		*head = s;
		*rest = (struct str){ s.len ? s.p + s.len : s.p, 0 };
		return false;
	}
	const size_t at = (size_t)(hit - s.p);
	*head = (struct str){ s.p, at };
	*rest = (struct str){ hit + 1, s.len - at - 1 };
	return true;
}

bool str_next(struct str *part, struct str *rest, char mark)
{
	if (!rest->len)
		return false;
	str_cut(part, rest, *rest, mark);
	return true;
}

bool str_word(struct str *word, struct str *rest)
{
	struct str s = *rest;

	while (s.len && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	size_t n = 0;
	while (n < s.len && !is_blank(s.p[n]))
		n++;
	*word = (struct str){ s.p, n };
	*rest = (struct str){ s.len ? s.p + n : s.p, s.len - n };
	return n > 0;
}

bool str_u64(uint64_t *value, struct str s, unsigned base, uint64_t limit)
{
	uint64_t v = 0;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const unsigned d = (unsigned)ascii_hex(s.p[i]);
		if (d >= base || __builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, d, &v) || v > limit)
			return false;
	}
	*value = v;
	return true;
}

size_t str_distance(struct str a, struct str b)
{
	enum { MAX = 64 };
	size_t row[MAX + 1];

	/* As if nothing were the same. */
	if (a.len > MAX || b.len > MAX)
		return a.len > b.len ? a.len : b.len;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			const size_t change = corner + (a.p[i - 1] != b.p[j - 1]);
			const size_t add = row[j - 1] + 1, drop = row[j] + 1;
			corner = row[j];
			row[j] = change < add ? change : add;
			row[j] = row[j] < drop ? row[j] : drop;
		}
	}
	return row[b.len];
}
