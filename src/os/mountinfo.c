#include "os/mountinfo.h"

#include <sys/sysmacros.h>

enum { DEVICE = 2, ROOT = 3, WHERE = 4, FIELDS };

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

struct str mountinfo_unescape(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		const char *p = s.p + i;
		out[len] = *p;
		if (*p == '\\' && s.len - i > 3 && is_octal(p[1]) && p[1] <= '3' &&
			is_octal(p[2]) && is_octal(p[3])) {
			out[len] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 3;
		}
		len++;
	}
	return (struct str){ out, len };
}

static bool parse(struct mountinfo *m, struct arena *a, struct str line)
{
	struct str f[FIELDS], word, major, minor;
	uint64_t x, y;

	for (size_t i = 0; i < FIELDS; i++) {
		if (!str_word(&f[i], &line))
			return false;
	}
	str_cut(&major, &minor, f[DEVICE], ':');
	if (!str_u64(&x, major, 10, UINT32_MAX) || !str_u64(&y, minor, 10, UINT32_MAX))
		return false;
	/* Optional fields up to the dash, and the type. */
	do {
		if (!str_word(&word, &line))
			return false;
	} while (!str_is(word, "-"));
	if (!str_word(&word, &line) || !str_word(&word, &line))
		return false;
	*m = (struct mountinfo){ makedev((unsigned)x, (unsigned)y), f[ROOT],
		mountinfo_unescape(a, f[WHERE]).p, word };
	return true;
}

bool mountinfo_next(struct mountinfo *m, struct arena *a, struct str *text)
{
	struct str line;

	while (str_next(&line, text, '\n')) {
		if (parse(m, a, line))
			return true;
	}
	return false;
}
