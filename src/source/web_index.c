#include "source/web_index.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "codec/doc.h"
#include "codec/rfc3339.h"

enum { NAME_MAX_BYTES = 1024, HREF_MAX = 4096, BEHIND_MAX = 512 };

#define INDEX_LIMITS ((struct doc_limits){ WEB_INDEX_MAX, 200000, 0, 8 })

struct reader {
	struct web_index *index;
	struct arena *a;
	const struct url *page;
	size_t room;
};

/* The next character of an HTML text as UTF-8, references resolved; how long it was. */
static size_t character(char out[5], size_t *len, struct str s)
{
	static const struct {
		const char *name, *text;
	} names[] = { { "amp", "&" }, { "lt", "<" }, { "gt", ">" }, { "quot", "\"" },
		{ "apos", "'" }, { "nbsp", " " } };
	size_t end = 1;
	uint64_t code;

	out[0] = *s.p;
	*len = 1;
	if (*s.p != '&')
		return 1;
	while (end < s.len && end < 12 && s.p[end] != ';')
		end++;
	if (end == s.len || s.p[end] != ';')
		return 1;
	const struct str name = { s.p + 1, end - 1 };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (str_is(name, names[i].name)) {
			out[0] = *names[i].text;
			return end + 1;
		}
	}
	if (name.len < 2 || *name.p != '#')
		return 1;
	const bool hex = name.p[1] == 'x' || name.p[1] == 'X';
	const struct str digits = { name.p + 1 + hex, name.len - 1 - hex };
	if (!str_u64(&code, digits, hex ? 16 : 10, 0x10ffff) || !code)
		return 1;
	if (code < 0x80) {
		out[0] = (char)code;
	} else if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		*len = 2;
	} else if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		*len = 3;
	} else {
		out[0] = (char)(0xf0 | code >> 18);
		out[1] = (char)(0x80 | (code >> 12 & 0x3f));
		out[2] = (char)(0x80 | (code >> 6 & 0x3f));
		out[3] = (char)(0x80 | (code & 0x3f));
		*len = 4;
	}
	return end + 1;
}

static bool unreference(char *out, size_t size, struct str s)
{
	char c[5];
	size_t n = 0, len;

	while (s.len) {
		const size_t used = character(c, &len, s);
		if (n + len >= size)
			return false;
		memcpy(out + n, c, len);
		n += len;
		s = (struct str){ s.p + used, s.len - used };
	}
	out[n] = 0;
	return true;
}

static int hex_digit(char c)
{
	return ascii_is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

bool web_decode(char *out, size_t size, struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (c == '%' && i + 2 < s.len && ascii_is_hex(s.p[i + 1]) &&
			ascii_is_hex(s.p[i + 2])) {
			c = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < ' ' || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

static const char *encode(struct arena *a, const char *name, bool place)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, strlen(name) * 3 + 2);
	size_t n = 0;

	for (const char *c = name; *c; c++) {
		if (ascii_is_word(*c) || strchr("-._~", *c)) {
			out[n++] = *c;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[(unsigned char)*c >> 4];
		out[n++] = digits[*c & 15];
	}
	if (place)
		out[n++] = '/';
	return out;
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
		.path = encode(r->a, name, place),
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
	char text[HREF_MAX + 16];

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
	char there[HREF_MAX], here[HREF_MAX];
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

/* What follows a link up to the next one: its time and size, between tags. */
static void read_behind(uint64_t *size, int64_t *modified, struct str s)
{
	char text[BEHIND_MAX + 8], c[5];
	struct str word, rest, before = { NULL, 0 };
	size_t n = 0, len;
	bool tag = false;

	*size = UINT64_MAX;
	*modified = 0;
	while (s.len && n < BEHIND_MAX) {
		const size_t used = character(c, &len, s);
		if (used == 1 && *c == '<')
			tag = true;
		if (tag && used == 1) {
			tag = *c != '>';
			text[n++] = ' ';
		} else if (!tag) {
			memcpy(text + n, c, len);
			n += len;
		}
		s = (struct str){ s.p + used, s.len - used };
	}
	rest = (struct str){ text, n };
	while (str_word(&word, &rest)) {
		if (!*modified) {
			*modified = read_time(before, word);
			before = word;
		} else {
			/* "98K" and "-" are no numbers; a number alone is exact. */
			str_u64(size, word, 10, UINT64_MAX - 1);
			return;
		}
	}
}

/* Take the next attribute off `*tag`; values keep their references. */
static bool attribute(struct str *name, struct str *value, struct str *tag)
{
	size_t i = 0, from;
	const char *p = tag->p;
	const size_t len = tag->len;

	while (i < len && (strchr(" \t\r\n\f/", p[i]) && p[i]))
		i++;
	from = i;
	while (i < len && p[i] && !strchr(" \t\r\n\f/=", p[i]))
		i++;
	*name = (struct str){ p + from, i - from };
	*value = (struct str){ p + i, 0 };
	if (i == from) { /* a stray '=' or zero byte */
		*tag = (struct str){ p + i + (i < len), len - i - (i < len) };
		return i < len;
	}
	while (i < len && strchr(" \t\r\n\f", p[i]) && p[i])
		i++;
	if (i < len && p[i] == '=') {
		i++;
		while (i < len && strchr(" \t\r\n\f", p[i]) && p[i])
			i++;
		const char quote = i < len && (p[i] == '"' || p[i] == '\'') ? p[i] : 0;
		from = quote ? ++i : i;
		while (i < len && (quote ? p[i] != quote : !p[i] || !strchr(" \t\r\n\f", p[i])))
			i++;
		*value = (struct str){ p + from, i - from };
		i += quote && i < len;
	}
	*tag = (struct str){ p + i, len - i };
	return true;
}

/* Up to the '>' that ends a tag, which does not stand in quotes. */
static struct str tag_body(struct str s)
{
	char quote = 0;
	size_t i = 0;

	for (; i < s.len; i++) {
		if (quote)
			quote = s.p[i] == quote ? 0 : quote;
		else if (s.p[i] == '"' || s.p[i] == '\'')
			quote = s.p[i];
		else if (s.p[i] == '>')
			break;
	}
	return (struct str){ s.p, i };
}

static bool starts_link(struct str s)
{
	return s.len > 2 && s.p[0] == '<' && (s.p[1] | 0x20) == 'a' &&
	       strchr(" \t\r\n\f", s.p[2]) && s.p[2];
}

static struct str after(struct str s, size_t n)
{
	return n < s.len ? (struct str){ s.p + n, s.len - n } : (struct str){ s.p + s.len, 0 };
}

static void read_link(struct reader *r, struct str tag, struct str behind)
{
	char href[HREF_MAX], name[NAME_MAX_BYTES];
	struct str key, value;
	uint64_t size;
	int64_t modified;
	bool place;

	while (attribute(&key, &value, &tag)) {
		if (key.len != 4 || strncasecmp(key.p, "href", 4) != 0)
			continue;
		if (!unreference(href, sizeof href, str_trim(value)) ||
			!below(name, &place, str_from(href), r->page))
			return;
		read_behind(&size, &modified, behind);
		add(r, name, place, size, modified);
		return;
	}
}

static void read_html(struct reader *r, struct str s)
{
	size_t at;

	while (s.len) {
		const char *open = memchr(s.p, '<', s.len);
		if (!open)
			return;
		s = after(s, (size_t)(open - s.p));
		if (str_starts(s, STR("<!--"))) {
			if (!str_find(&at, s, STR("-->")))
				return;
			s = after(s, at + 3);
			continue;
		}
		if (!starts_link(s)) {
			s = after(s, 1);
			continue;
		}
		const struct str tag = tag_body(after(s, 2));
		if (tag.len + 2 == s.len) /* cut off in the middle of it */
			return;
		s = after(s, tag.len + 3);
		/* Behind the words of the link: up to the next one, or the end of the line. */
		struct str behind = s;
		while (behind.len &&
			!(str_starts(behind, STR("</a")) || str_starts(behind, STR("</A"))))
			behind = starts_link(behind) ? (struct str){ behind.p, 0 }
						     : after(behind, 1);
		behind = after(behind, 4);
		size_t len = 0;
		while (len < behind.len && len < BEHIND_MAX && !starts_link(after(behind, len)))
			len++;
		read_link(r, tag, (struct str){ behind.p, len });
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
