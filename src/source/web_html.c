#include "source/web_html.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"

static struct str after(struct str s, size_t n)
{
	return n < s.len ? (struct str){ s.p + n, s.len - n } : (struct str){ s.p + s.len, 0 };
}

/* The next character of an HTML text as UTF-8, references resolved; how long it was. */
static size_t character(char out[4], size_t *len, struct str s)
{
	static const struct {
		const char *name;
		char c;
	} names[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
		{ "apos", '\'' }, { "nbsp", ' ' } };
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
			out[0] = names[i].c;
			return end + 1;
		}
	}
	if (name.len < 2 || *name.p != '#')
		return 1;
	const bool hex = name.p[1] == 'x' || name.p[1] == 'X';
	const struct str digits = { name.p + 1 + hex, name.len - 1 - hex };
	if (!str_u64(&code, digits, hex ? 16 : 10, 0x10ffff) || !code)
		return 1;
	*len = utf8_put(out, (uint32_t)code);
	return end + 1;
}

static bool unreference(char *out, size_t size, struct str s)
{
	char c[4];
	size_t n = 0, len;

	while (s.len) {
		const size_t used = character(c, &len, s);
		if (n + len >= size)
			return false;
		memcpy(out + n, c, len);
		n += len;
		s = after(s, used);
	}
	out[n] = 0;
	return true;
}

static bool is_blank(char c)
{
	return c && strchr(" \t\r\n\f", c);
}

/* Take the next attribute off `*tag`; values keep their references. */
static bool attribute(struct str *name, struct str *value, struct str *tag)
{
	size_t i = 0, from;
	const char *p = tag->p;
	const size_t len = tag->len;

	while (i < len && (is_blank(p[i]) || p[i] == '/'))
		i++;
	from = i;
	while (i < len && p[i] && !is_blank(p[i]) && p[i] != '/' && p[i] != '=')
		i++;
	*name = (struct str){ p + from, i - from };
	*value = (struct str){ p + i, 0 };
	if (i == from) { /* a stray '=' or zero byte */
		*tag = (struct str){ p + i + (i < len), len - i - (i < len) };
		return i < len;
	}
	while (i < len && is_blank(p[i]))
		i++;
	if (i < len && p[i] == '=') {
		i++;
		while (i < len && is_blank(p[i]))
			i++;
		const char quote = i < len && (p[i] == '"' || p[i] == '\'') ? p[i] : 0;
		from = quote ? ++i : i;
		while (i < len && (quote ? p[i] != quote : !is_blank(p[i])))
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
	return s.len > 2 && s.p[0] == '<' && (s.p[1] | 0x20) == 'a' && is_blank(s.p[2]);
}

static bool ends_link(struct str s)
{
	return str_starts(s, STR("</a")) || str_starts(s, STR("</A"));
}

/* Behind the words of a link: up to the next one, or the end of the line. */
static struct str find_behind(struct str s)
{
	size_t len = 0;

	while (s.len && !ends_link(s))
		s = starts_link(s) ? (struct str){ s.p, 0 } : after(s, 1);
	s = after(s, 4);
	while (len < s.len && len < WEB_BEHIND_MAX && !starts_link(after(s, len)))
		len++;
	return (struct str){ s.p, len };
}

/* Blanks instead of tags. */
static void copy_behind(struct web_link *link, struct str s)
{
	char c[4];
	size_t len;
	bool tag = false;

	link->n_behind = 0;
	while (s.len && link->n_behind < WEB_BEHIND_MAX) {
		const size_t used = character(c, &len, s);
		if (used == 1 && *c == '<')
			tag = true;
		if (tag && used == 1) {
			tag = *c != '>';
			link->behind[link->n_behind++] = ' ';
		} else if (!tag) {
			memcpy(link->behind + link->n_behind, c, len);
			link->n_behind += len;
		}
		s = after(s, used);
	}
}

static bool read_href(struct web_link *link, struct str tag)
{
	struct str key, value;

	while (attribute(&key, &value, &tag)) {
		if (key.len == 4 && !strncasecmp(key.p, "href", 4))
			return unreference(link->href, sizeof link->href, str_trim(value));
	}
	return false;
}

/* Up to the next start of a link; false: there is none, or it is cut off in the middle. */
static bool find_link(struct str *tag, struct str *page)
{
	struct str s = *page;
	size_t at;

	for (const char *open; s.len && (open = memchr(s.p, '<', s.len));) {
		s = after(s, (size_t)(open - s.p));
		if (str_starts(s, STR("<!--"))) {
			if (!str_find(&at, s, STR("-->")))
				return false;
			s = after(s, at + 3);
			continue;
		}
		if (starts_link(s)) {
			*tag = tag_body(after(s, 2));
			*page = after(s, tag->len + 3);
			return tag->len + 2 < s.len;
		}
		s = after(s, 1);
	}
	return false;
}

bool web_html_link(struct web_link *link, struct str *page)
{
	struct str tag;

	while (find_link(&tag, page)) {
		if (read_href(link, tag)) {
			copy_behind(link, find_behind(*page));
			return true;
		}
	}
	return false;
}
