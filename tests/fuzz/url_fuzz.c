/* Any text as a URL: its parts stay inside it, and what is shown holds no blank and no query. */
#include <stdlib.h>
#include <string.h>

#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct str part, struct str all)
{
	if (part.len && (part.p < all.p || part.p + part.len > all.p + all.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct arena a = ARENA(1 << 20);
	struct url u;
	struct err e = { 0 };

	if (!url_parse(&u, text, &e)) {
		inside(u.scheme, text);
		inside(u.userinfo, text);
		inside(u.host, text);
		inside(u.path, text);
		inside(u.query, text);
		inside(u.fragment, text);
		const char *shown = url_shown(&a, &u);
		const struct url again_of = u;
		struct url again;
		/* What is shown is a URL of the same place, without what is nobody's business. */
		if (strlen(shown) < URL_MAX && !memchr(data, 0, size) &&
			(url_parse(&again, str_from(shown), &e) || again.has_userinfo ||
				!str_equal(again.host, again_of.host) || again.fragment.len))
			abort();
	} else if (e.code != ERR_FORMAT) {
		abort();
	}
	arena_free(&a);
	return 0;
}
