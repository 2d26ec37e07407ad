/* net/url.h - addresses of things, taken apart and printed without secrets
 *
 *   scheme ":" ["//" [userinfo "@"] host [":" port]] path ["?" query] ["#" fragment]
 *
 * Source:     RFC 3986.
 * Units:      none; percent-encoding is left as it stands.
 * Ownership:  the parts borrow from the text that was parsed.
 * Errors:     ERR_FORMAT, never repeating userinfo or query of what was refused.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { URL_MAX = 8192 };

struct url {
	struct str text;            /* all of it */
	struct str scheme;          /* as written; compare with url_scheme_is */
	struct str userinfo, host;  /* an IPv6 host stands without its brackets */
	struct str path;            /* with its leading slash; may be empty */
	struct str query, fragment; /* without '?' and '#' */
	uint16_t port;              /* 0: the scheme's own */
	bool authority;             /* there was a "//" */
	bool has_userinfo, has_query;
};

int url_parse(struct url *url, struct str text, struct err *e);
bool url_scheme_is(const struct url *url, const char *scheme);

/* Two spellings of one door: scheme and host in any case, IPv6 as it likes, the same port said;
 * what follows does not count.  What is no URL is compared as text. */
bool url_same(const char *x, const char *y);
/* The same, or one has a name where the other has an address: nobody is asked. */
bool url_may_be(const char *x, const char *y);

/* For people and logs: no userinfo, no query, no fragment; "?..." where a query was. */
const char *url_shown(struct arena *a, const struct url *url);
/* The same for a text that may not even parse: what cannot be shown is "(not a URL)". */
const char *url_text_shown(struct arena *a, const char *text);
