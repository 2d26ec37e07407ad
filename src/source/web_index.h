/* source/web_index.h - what a page that lists a directory says
 *
 *   nginx         autoindex: html with exact or rounded sizes, json
 *   Apache        autoindex: plain, fancy, with tables
 *   others        lighttpd, Caddy, python -m http.server: whatever has links of its files
 *
 * A link counts when it leads to something right below the address of the page; links that
 * sort, lead up, elsewhere or deeper do not.  Times and sizes are taken from what stands
 * behind the link; a size only where it is exact.  A page does not tell its zone: UTC.
 *
 * Source:     pages of nginx 1.26, Apache 2.4, Caddy 2, as saved in the tests; HTML 5.
 * Units:      bytes; seconds since 1970.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT for JSON that is none; HTML without a link gives no entries.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "net/url.h"

enum { WEB_INDEX_MAX = 8 << 20, WEB_INDEX_ENTRIES = 20000 };

struct web_entry {
	const char *name; /* decoded, without a slash */
	const char *path; /* the same to stand in an address, with one behind a directory */
	bool place;       /* a directory */
	uint64_t size;    /* UINT64_MAX: not told, or rounded */
	int64_t modified; /* 0: not told */
};

struct web_index {
	struct web_entry *v;
	size_t n;
	bool cut; /* there were more */
};

/* `page` is the address that was asked, with a '/' at the end of its path. */
int web_index_parse(struct web_index *index, struct arena *a, struct str body,
	const struct url *page, struct err *e);

/* Percent-encoding taken off; false for control bytes and what does not fit. */
bool web_decode(char *out, size_t size, struct str s);
