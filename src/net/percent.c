#include "net/percent.h"

#include <string.h>

#include "base/ascii.h"

char *percent_encode(struct arena *a, struct str text, const char *plain, bool beyond_ascii_may)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, text.len * 3 + 1), *to = out;

	for (size_t i = 0; i < text.len; i++) {
		const char c = text.p[i];
		if (ascii_is_word(c) || (c && strchr(plain, c)) ||
			((uint8_t)c > 0x7f && beyond_ascii_may)) {
			*to++ = c;
			continue;
		}
		*to++ = '%';
		*to++ = digits[(uint8_t)c >> 4];
		*to++ = digits[(uint8_t)c & 15];
	}
	return out;
}

bool percent_at(char *c, struct str s, size_t at)
{
	if (s.len - at < 3 || s.p[at] != '%' || ascii_hex(s.p[at + 1]) < 0 ||
		ascii_hex(s.p[at + 2]) < 0)
		return false;
	*c = (char)(ascii_hex(s.p[at + 1]) << 4 | ascii_hex(s.p[at + 2]));
	return true;
}

struct str percent_decode(struct arena *a, struct str text)
{
	char *out = arena_alloc(a, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++, n++) {
		if (percent_at(&out[n], text, i))
			i += 2;
		else
			out[n] = text.p[i];
	}
	return (struct str){ out, n };
}
