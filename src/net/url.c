#include "net/url.h"
#include "base/ascii.h"
#include "codec/address.h"

#include <string.h>
#include <strings.h>

/* Up to and without the first of `marks`; what follows it goes to `rest`. */
static struct str until(struct str *rest, struct str s, const char *marks)
{
	size_t len = 0;

	while (len < s.len && !strchr(marks, s.p[len]))
		len++;
	*rest = (struct str){ s.p + len, s.len - len };
	return (struct str){ s.p, len };
}

static int read_scheme(struct url *url, struct str *rest, struct err *e)
{
	const struct str s = until(rest, url->text, ":/?#");

	if (!s.len || !rest->len || *rest->p != ':' || !ascii_is_letter(*s.p))
		return err_set(e, ERR_FORMAT, "not a URL: no scheme such as https://");
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_letter(s.p[i]) && !ascii_is_digit(s.p[i]) && !strchr("+-.", s.p[i]))
			return err_set(e, ERR_FORMAT, "not a URL: no scheme such as https://");
	}
	url->scheme = s;
	*rest = (struct str){ rest->p + 1, rest->len - 1 };
	return 0;
}

static int read_port(struct url *url, struct str text, struct err *e)
{
	uint64_t port;

	if (!text.len) /* "host:" is allowed and means the scheme's own */
		return 0;
	if (!str_u64(&port, text, 10, UINT16_MAX) || !port)
		return err_set(e, ERR_FORMAT, "URL: the port is not a number from 1 to 65535");
	url->port = (uint16_t)port;
	return 0;
}

static int read_bracketed(struct url *url, struct str text, struct err *e)
{
	struct str after;

	url->host = until(&after, (struct str){ text.p + 1, text.len - 1 }, "]");
	if (!after.len)
		return err_set(e, ERR_FORMAT, "URL: the bracket of the address is not closed");
	for (size_t i = 0; i < url->host.len; i++) {
		const char c = url->host.p[i];
		if (!ascii_is_letter(c) && !ascii_is_digit(c) && !strchr(":.%", c))
			return err_set(e, ERR_FORMAT, "URL: no IPv6 address in the brackets");
	}
	if (after.len == 1)
		return 0;
	if (after.p[1] != ':')
		return err_set(e, ERR_FORMAT, "URL: something follows the bracket of the address");
	return read_port(url, (struct str){ after.p + 2, after.len - 2 }, e);
}

static int read_authority(struct url *url, struct str text, struct err *e)
{
	/* The last '@': a password may hold one that nobody encoded. */
	for (size_t i = text.len; i-- > 0;) {
		if (text.p[i] == '@') {
			url->userinfo = (struct str){ text.p, i };
			url->has_userinfo = true;
			text = (struct str){ text.p + i + 1, text.len - i - 1 };
			break;
		}
	}
	if (text.len && *text.p == '[')
		return read_bracketed(url, text, e);
	struct str after;
	url->host = until(&after, text, ":");
	return after.len ? read_port(url, (struct str){ after.p + 1, after.len - 1 }, e) : 0;
}

int url_parse(struct url *url, struct str text, struct err *e)
{
	struct url u = { .text = text };
	struct str rest, authority;

	if (text.len > URL_MAX)
		return err_set(e, ERR_FORMAT, "URL: longer than %d bytes", URL_MAX);
	for (size_t i = 0; i < text.len; i++) {
		/* Blanks and control bytes end lines and headers in all that follows. */
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return err_set(e, ERR_FORMAT, "URL: holds a blank or a control byte");
	}
	if (read_scheme(&u, &rest, e))
		return e->code;
	u.authority = str_starts(rest, STR("//"));
	if (u.authority) {
		authority = until(&rest, (struct str){ rest.p + 2, rest.len - 2 }, "/?#");
		if (read_authority(&u, authority, e))
			return e->code;
	}
	u.path = until(&rest, rest, "?#");
	if (rest.len && *rest.p == '?') {
		u.has_query = true;
		u.query = until(&rest, (struct str){ rest.p + 1, rest.len - 1 }, "#");
	}
	if (rest.len)
		u.fragment = (struct str){ rest.p + 1, rest.len - 1 };
	*url = u;
	return 0;
}

bool url_scheme_is(const struct url *url, const char *scheme)
{
	return url->scheme.len == strlen(scheme) &&
	       !strncasecmp(url->scheme.p, scheme, url->scheme.len);
}

static bool same_port(const struct url *x, const struct url *y)
{
	return x->port == y->port && x->scheme.len == y->scheme.len &&
	       !strncasecmp(x->scheme.p, y->scheme.p, x->scheme.len);
}

static bool parse_door(struct url *url, const char *text)
{
	struct err none = { 0 };

	return !url_parse(url, str_from(text), &none) && url->host.len;
}

bool url_same(const char *x, const char *y)
{
	struct url a, b;

	if (!parse_door(&a, x) || !parse_door(&b, y))
		return !strcmp(x, y);
	return same_port(&a, &b) && address_same(a.host, b.host);
}

bool url_may_be(const char *x, const char *y)
{
	struct url a, b;

	if (url_same(x, y))
		return true;
	return parse_door(&a, x) && parse_door(&b, y) && same_port(&a, &b) &&
	       !address_read(a.host).len != !address_read(b.host).len;
}

const char *url_shown(struct arena *a, const struct url *url)
{
	const bool v6 = url->host.len && memchr(url->host.p, ':', url->host.len);
	const char *port = url->port ? arena_print(a, ":%u", url->port) : "";

	return arena_print(a, "%.*s:%s%s%.*s%s%s%.*s%s", STR_ARG(url->scheme),
		url->authority ? "//" : "", v6 ? "[" : "", STR_ARG(url->host), v6 ? "]" : "", port,
		STR_ARG(url->path), url->has_query ? "?..." : "");
}

const char *url_text_shown(struct arena *a, const char *text)
{
	struct url url;
	struct err e;

	return url_parse(&url, str_from(text), &e) ? "(not a URL)" : url_shown(a, &url);
}
