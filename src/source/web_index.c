#include "source/web_index.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "codec/doc.h"
#include "codec/rfc3339.h"
#include "net/percent.h"
#include "source/web_html.h"

enum { NAME_MAX_BYTES = 1024 };

#define INDEX_LIMITS ((struct doc_limits){ WEB_INDEX_MAX, 200000, 0, 8 })

struct reader {
	struct web_index *index;
	struct arena *a;
	const struct url *page;
	size_t room;
};

bool web_decode(char *out, size_t size, struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (percent_at(&c, s, i))
			i += 2;
		if ((unsigned char)c < ' ' || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

static void add(struct reader *r, const char *name, bool place, uint64_t size, int64_t modified)
{
	struct web_index *index = r->index;

	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return;
	/* Icons are links too: the same one twice, one behind the other. */
	if (index->n && !strcmp(index->v[index->n - 1].name, name)) {
		struct web_entry *last = &index->v[index->n - 1];
		last->size = last->size == UINT64_MAX ? size : last->size;
		last->modified = last->modified ? last->modified : modified;
		return;
	}
	if (index->n == WEB_INDEX_ENTRIES) {
		index->cut = true;
		return;
	}
	if (index->n == r->room) {
		const size_t room = r->room ? r->room * 2 : 64;
		struct web_entry *more = arena_array(r->a, room, sizeof *more);
		if (index->n)
			memcpy(more, index->v, index->n * sizeof *more);
		index->v = more;
		r->room = room;
	}
	index->v[index->n++] = (struct web_entry){
		.name = arena_copy(r->a, str_from(name)),
		.path = arena_print(r->a, "%s%s",
			percent_encode(r->a, str_from(name), "-._~", false), place ? "/" : ""),
		.place = place,
		.size = place ? UINT64_MAX : size,
		.modified = modified,
	};
}

/* What stands behind "scheme://host:port" when that is the page's own; else nothing. */
static bool same_server(struct str *path, struct str link, const struct url *page)
{
	struct url url, full;
	struct err ignored;
	char text[WEB_HREF_MAX + 16];

	if (str_starts(link, STR("//"))) {
		snprintf(text, sizeof text, "%.*s:%.*s", STR_ARG(page->scheme), STR_ARG(link));
		if (url_parse(&full, str_from(text), &ignored))
			return false;
		/* Point into `link` again: `text` goes. */
		url = full;
		url.path = (struct str){ link.p + (full.path.p - text) - page->scheme.len - 1,
			full.path.len };
	} else if (url_parse(&url, link, &ignored)) {
		return false;
	}
	if (url.scheme.len != page->scheme.len ||
		strncasecmp(url.scheme.p, page->scheme.p, url.scheme.len) != 0 ||
		url.host.len != page->host.len ||
		strncasecmp(url.host.p, page->host.p, url.host.len) != 0 || url.port != page->port)
		return false;
	*path = url.path;
	return true;
}

static bool has_scheme(struct str link)
{
	for (size_t i = 0; i < link.len; i++) {
		if (link.p[i] == ':')
			return i > 0;
		if (!ascii_is_word(link.p[i]) && !strchr("+-.", link.p[i]))
			return false;
	}
	return false;
}

/* The part of a link that lies right below the page: "name" or "name/"; false: elsewhere. */
static bool below(char name[NAME_MAX_BYTES], bool *place, struct str link, const struct url *page)
{
	char there[WEB_HREF_MAX], here[WEB_HREF_MAX];
	struct str path, query;

	str_cut(&link, &query, link, '#');
	/* Files with a '?' in their names have it encoded: this sorts, or is a program. */
	if (!link.len || memchr(link.p, '?', link.len))
		return false;
	if (str_starts(link, STR("//")) || has_scheme(link)) {
		if (!same_server(&link, link, page))
			return false;
	}
	path = link;
	while (str_starts(path, STR("./")))
		path = (struct str){ path.p + 2, path.len - 2 };
	*place = path.len && path.p[path.len - 1] == '/';
	if (*place)
		path.len--;
	if (path.len && *path.p == '/') {
		/* The server may encode the directory in another way than who typed it. */
		const char *slash = memrchr(path.p, '/', path.len);
		const struct str folder = { path.p, (size_t)(slash + 1 - path.p) };
		if (!web_decode(there, sizeof there, folder) ||
			!web_decode(here, sizeof here, page->path) || strcmp(there, here) != 0)
			return false;
		path = (struct str){ slash + 1, path.len - folder.len };
	}
	return web_decode(name, NAME_MAX_BYTES, path);
}

/* "21-Nov-2026", "2026-11-21" or "2026-Nov-21" and the time behind it. */
static int64_t read_time(struct str day, struct str hour)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[40];
	char word[4] = { 0 };
	int64_t seconds;
	struct str y, m, d, rest;

	if (!str_cut(&d, &rest, day, '-') || !str_cut(&m, &y, rest, '-') || hour.len < 5 ||
		hour.len > 8)
		return 0;
	if (d.len == 4) {
		const struct str swap = d;
		d = y;
		y = swap;
	}
	if (m.len == 3) {
		memcpy(word, m.p, 3);
		const char *at = strstr(months, word);
		if (!at || (at - months) % 3)
			return 0;
		const unsigned month = (unsigned)(at - months) / 3 + 1;
		word[0] = (char)('0' + month / 10 % 10);
		word[1] = (char)('0' + month % 10);
		m = (struct str){ word, 2 };
	}
	if (y.len != 4 || m.len != 2 || d.len != 2)
		return 0;
	snprintf(text, sizeof text, "%.*s-%.*s-%.*sT%.*s%sZ", STR_ARG(y), STR_ARG(m), STR_ARG(d),
		STR_ARG(hour), hour.len == 5 ? ":00" : "");
	return rfc3339_parse(&seconds, str_from(text)) ? seconds : 0;
}

/* "21-Nov-2026 04:00  1048576" */
static void read_behind(uint64_t *size, int64_t *modified, struct str rest)
{
	struct str word, before = { NULL, 0 };

	*size = UINT64_MAX;
	*modified = 0;
	while (!*modified && str_word(&word, &rest)) {
		*modified = read_time(before, word);
		before = word;
	}
	/* "98K" and "-" are no numbers; a number alone is exact. */
	if (str_word(&word, &rest))
		str_u64(size, word, 10, UINT64_MAX - 1);
}

static void read_html(struct reader *r, struct str page)
{
	struct web_link *link = arena_alloc(r->a, sizeof *link);
	char name[NAME_MAX_BYTES];
	uint64_t size;
	int64_t modified;
	bool place;

	while (web_html_link(link, &page)) {
		if (!below(name, &place, str_from(link->href), r->page))
			continue;
		read_behind(&size, &modified, (struct str){ link->behind, link->n_behind });
		add(r, name, place, size, modified);
	}
}

static struct str field(const struct doc_node *map, const char *name)
{
	const struct doc_node *node = doc_get(map, name);

	return node && node->kind == DOC_SCALAR ? node->text : (struct str){ "", 0 };
}

/* nginx: name, type, mtime, size. Caddy: name, is_dir, mod_time, size. */
static int read_json(struct reader *r, struct str body, struct err *e)
{
	struct doc doc;
	char name[NAME_MAX_BYTES];

	if (doc_parse(&doc, r->a, body, "the index page", DOC_JSON, INDEX_LIMITS, e))
		return e->code;
	for (const struct doc_node *n = doc.root ? doc.root->first : NULL; n; n = n->next) {
		struct str text = field(n, "name"), when = field(n, "mtime");
		const bool place =
			str_is(field(n, "type"), "directory") || str_is(field(n, "is_dir"), "true");
		uint64_t size = UINT64_MAX;
		int64_t modified = 0;
		char date[40];
		if (place && text.len && text.p[text.len - 1] == '/')
			text.len--;
		if (!text.len || text.len >= sizeof name || memchr(text.p, 0, text.len))
			continue;
		memcpy(name, text.p, text.len);
		name[text.len] = 0;
		str_u64(&size, field(n, "size"), 10, UINT64_MAX - 1);
		if (!rfc3339_parse(&modified, field(n, "mod_time"))) {
			snprintf(date, sizeof date, "%.*s", STR_ARG(when));
			const time_t t = when.len ? curl_getdate(date, NULL) : -1;
			modified = t > 0 ? t : 0;
		}
		add(r, name, place, size, modified);
	}
	return 0;
}

int web_index_parse(struct web_index *index, struct arena *a, struct str body,
	const struct url *page, struct err *e)
{
	struct reader r = { .index = index, .a = a, .page = page };
	const struct str text = str_trim(body);

	*index = (struct web_index){ 0 };
	if (text.len && *text.p == '[')
		return read_json(&r, text, e);
	read_html(&r, body);
	return 0;
}
