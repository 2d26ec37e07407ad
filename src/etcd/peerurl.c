#include "etcd/peerurl.h"

#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"

/* Where in a URL a character stands decides whether it is written as it is. */
enum place { IN_PATH, IN_FRAGMENT, IN_USER, IN_HOST, IN_ZONE };

struct parts {
	struct str scheme, opaque, user, password, host, path, query, fragment;
	bool has_user, has_password, has_mark, no_authority;
};

static bool among(char c, const char *set)
{
	return c && strchr(set, c);
}

/* net/url shouldEscape */
static bool needs_escape(char c, enum place place)
{
	if (ascii_is_letter(c) || ascii_is_digit(c) || among(c, "-_.~"))
		return false;
	if (place == IN_HOST || place == IN_ZONE)
		return !among(c, "!$&'()*+,;=:[]<>\"");
	if (among(c, "$&+,/:;=?@"))
		return place == IN_PATH ? c == '?' : place == IN_USER ? among(c, "@/?:") : false;
	return place != IN_FRAGMENT || !among(c, "!()*");
}

/* "parse "http://...": why", as Go words it; what cannot be printed is shown as hex. */
static int bad(struct err *e, struct str url, const char *why)
{
	char shown[300];
	size_t n = 0;

	for (size_t i = 0; i < url.len && n < sizeof shown - 8; i++) {
		const unsigned char c = (unsigned char)url.p[i];

		if (c == '"' || c == '\\')
			shown[n++] = '\\';
		if (c < 0x20 || c >= 0x7f)
			n += (size_t)snprintf(shown + n, sizeof shown - n, "\\x%02x", c);
		else
			shown[n++] = (char)c;
	}
	shown[n] = 0;
	return err_set(e, ERR_USAGE, "parse \"%s\": %s", shown, why);
}

static int bad_escape(struct err *e, struct str url, struct str at)
{
	char why[64];

	snprintf(why, sizeof why, "invalid URL escape \"%.*s\"", (int)(at.len < 3 ? at.len : 3),
		at.p);
	return bad(e, url, why);
}

/* Append `s` with its escapes taken out. */
static int unescape(struct buf *out, struct str s, enum place place, struct str url, struct err *e)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '%') {
			const struct str rest = { s.p + i, s.len - i };

			if (rest.len < 3 || ascii_hex(rest.p[1]) < 0 || ascii_hex(rest.p[2]) < 0)
				return bad_escape(e, url, rest);
			c = (char)(ascii_hex(rest.p[1]) << 4 | ascii_hex(rest.p[2]));
			/* RFC 6874: in a host only bytes beyond ASCII are escaped, and the
			 * percent sign before a zone. */
			if (c != '%' &&
				((place == IN_HOST && ascii_hex(rest.p[1]) < 8) ||
					(place == IN_ZONE && c != ' ' && needs_escape(c, IN_HOST))))
				return bad_escape(e, url, rest);
			i += 2;
		} else if ((place == IN_HOST || place == IN_ZONE) && (unsigned char)c < 0x80 &&
			   needs_escape(c, place)) {
			char why[64];

			snprintf(why, sizeof why, "invalid character \"%s%c\" in host name",
				c == '\\' ? "\\" : "", c);
			return bad(e, url, why);
		}
		if (buf_add(out, &c, 1, e))
			return e->code;
	}
	return 0;
}

static int escape(struct buf *out, struct str s, enum place place, struct err *e)
{
	for (size_t i = 0; i < s.len; i++) {
		if (needs_escape(s.p[i], place) ? buf_print(out, e, "%%%02X", (unsigned char)s.p[i])
						: buf_add(out, s.p + i, 1, e))
			return e->code;
	}
	return 0;
}

/* Take the escapes out and put them in again where Go would. */
static int rewrite(struct buf *out, struct str s, enum place place, struct str url, struct err *e)
{
	CLEAN_BUF struct buf plain = BUF(ETCD_URL_MAX);

	if (unescape(&plain, s, place, url, e))
		return e->code;
	return escape(out, buf_text(&plain), place, e);
}

/* A path or fragment that is a valid encoding already stays as it was written. */
static int rewrite_path(
	struct buf *out, struct str s, enum place place, struct str url, struct err *e)
{
	CLEAN_BUF struct buf plain = BUF(ETCD_URL_MAX);
	bool valid = true;

	for (size_t i = 0; i < s.len; i++)
		valid &= among(s.p[i], "!$&'()*+,;=:@[]%") || !needs_escape(s.p[i], place);
	if (unescape(&plain, s, place, url, e))
		return e->code;
	return valid ? buf_add_str(out, s, e) : escape(out, buf_text(&plain), place, e);
}

/* The scheme, if there is one: letters, then also digits and "+-.", up to the colon. */
static int take_scheme(struct parts *parts, struct str *rest, struct str url, struct err *e)
{
	for (size_t i = 0; i < url.len; i++) {
		const char c = url.p[i];

		if (c == ':') {
			if (i == 0)
				return bad(e, url, "missing protocol scheme");
			parts->scheme = (struct str){ url.p, i };
			*rest = (struct str){ url.p + i + 1, url.len - i - 1 };
			return 0;
		}
		if (!ascii_is_letter(c) && !(i && (ascii_is_digit(c) || among(c, "+-."))))
			break;
	}
	*rest = url;
	return 0;
}

/* Nothing, or a colon and digits. */
static bool is_port(struct str s)
{
	if (s.len && s.p[0] != ':')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (!ascii_is_digit(s.p[i]))
			return false;
	}
	return true;
}

static bool find_last(size_t *at, struct str s, char c)
{
	for (size_t i = s.len; i; i--) {
		if (s.p[i - 1] == c) {
			*at = i - 1;
			return true;
		}
	}
	return false;
}

static int check_port(struct str host, struct str url, struct err *e)
{
	struct str port = { host.p + host.len, 0 };
	size_t at;

	/* Refused since Go 1.25; what came before took it for part of a name. */
	if (find_last(&at, host, '[') && at)
		return bad(e, url, "invalid IP-literal");
	if (host.len && host.p[0] == '[') {
		if (!find_last(&at, host, ']'))
			return bad(e, url, "missing ']' in host");
		port = (struct str){ host.p + at + 1, host.len - at - 1 };
	} else if (find_last(&at, host, ':')) {
		port = (struct str){ host.p + at, host.len - at };
	}
	if (is_port(port))
		return 0;
	char why[128];

	snprintf(why, sizeof why, "invalid port \"%.*s\" after host",
		(int)(port.len < 64 ? port.len : 64), port.p);
	return bad(e, url, why);
}

static int take_authority(struct parts *parts, struct str authority, struct str url, struct err *e)
{
	size_t at = 0;

	parts->host = authority;
	if (find_last(&at, authority, '@')) {
		parts->host = (struct str){ authority.p + at + 1, authority.len - at - 1 };
		parts->has_user = true;
		parts->has_password = str_cut(
			&parts->user, &parts->password, (struct str){ authority.p, at }, ':');
	}
	if (check_port(parts->host, url, e))
		return e->code;
	for (size_t i = 0; parts->has_user && i < at; i++) {
		const char c = authority.p[i];

		if (!ascii_is_letter(c) && !ascii_is_digit(c) && !among(c, "-._:~!$&'()*+,;=%@"))
			return bad(e, url, "net/url: invalid userinfo");
	}
	return 0;
}

static int split(struct parts *parts, struct str url, struct err *e)
{
	struct str rest;
	size_t at;

	str_cut(&url, &parts->fragment, url, '#');
	for (size_t i = 0; i < url.len; i++) {
		if ((unsigned char)url.p[i] < 0x20 || url.p[i] == 0x7f)
			return bad(e, url, "net/url: invalid control character in URL");
	}
	if (take_scheme(parts, &rest, url, e))
		return e->code;
	parts->has_mark = str_cut(&rest, &parts->query, rest, '?');
	if (!rest.len || rest.p[0] != '/') {
		struct str first, tail;

		if (parts->scheme.len) {
			parts->opaque = rest;
			return 0;
		}
		str_cut(&first, &tail, rest, '/');
		if (str_find(&at, first, STR(":")))
			return bad(e, url, "first path segment in URL cannot contain colon");
	}
	parts->path = rest;
	if (!str_starts(rest, STR("//"))) {
		parts->no_authority = true;
		return 0;
	}
	const struct str behind = { rest.p + 2, rest.len - 2 };
	struct str authority = behind;

	parts->path = (struct str){ behind.p + behind.len, 0 };
	if (str_find(&at, behind, STR("/"))) {
		authority.len = at;
		parts->path = (struct str){ behind.p + at, behind.len - at };
	}
	return take_authority(parts, authority, url, e);
}

/* net.SplitHostPort of a host without escapes: is there "host:port"? */
static bool has_port(struct str host)
{
	size_t colon, end, at;

	if (!find_last(&colon, host, ':'))
		return false;
	if (host.p[0] != '[')
		return !str_find(&at, (struct str){ host.p, colon }, STR(":")) &&
		       !str_find(&at, host, STR("[")) && !str_find(&at, host, STR("]"));
	/* The first bracket that closes has to be right before the last colon. */
	if (!str_find(&end, host, STR("]")) || end + 1 != colon)
		return false;
	const struct str inside = { host.p + 1, host.len - 1 };
	const struct str behind = { host.p + end + 1, host.len - end - 1 };

	return !str_find(&at, inside, STR("[")) && !str_find(&at, behind, STR("]"));
}

/* The host with its escapes taken out; only what follows "%25" is a zone. */
static int plain_host(struct buf *out, struct str host, struct str url, struct err *e)
{
	size_t end, zone;

	if (host.len && host.p[0] == '[' && find_last(&end, host, ']') &&
		str_find(&zone, (struct str){ host.p, end }, STR("%25")))
		return unescape(out, (struct str){ host.p, zone }, IN_HOST, url, e) ||
				       unescape(out, (struct str){ host.p + zone, end - zone },
					       IN_ZONE, url, e) ||
				       unescape(out, (struct str){ host.p + end, host.len - end },
					       IN_HOST, url, e)
			       ? e->code
			       : 0;
	return unescape(out, host, IN_HOST, url, e);
}

static int join(
	struct buf *out, const struct parts *parts, struct str host, struct str url, struct err *e)
{
	const bool slashes =
		!parts->no_authority && (host.len || parts->path.len || parts->has_user);

	for (size_t i = 0; i < parts->scheme.len; i++) {
		const char c = parts->scheme.p[i];
		const char low = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;

		if (buf_add(out, &low, 1, e))
			return e->code;
	}
	if (buf_add(out, ":", 1, e) || buf_add_str(out, parts->opaque, e) ||
		(slashes && buf_add(out, "//", 2, e)))
		return e->code;
	if (parts->has_user && (rewrite(out, parts->user, IN_USER, url, e) ||
				       (parts->has_password && (buf_add(out, ":", 1, e) ||
								       rewrite(out, parts->password,
									       IN_USER, url, e))) ||
				       buf_add(out, "@", 1, e)))
		return e->code;
	if (escape(out, host, IN_HOST, e) || rewrite_path(out, parts->path, IN_PATH, url, e))
		return e->code;
	if (parts->has_mark && (buf_add(out, "?", 1, e) || buf_add_str(out, parts->query, e)))
		return e->code;
	if (parts->fragment.len && (buf_add(out, "#", 1, e) ||
					   rewrite_path(out, parts->fragment, IN_FRAGMENT, url, e)))
		return e->code;
	return 0;
}

/* Without regard to case; a scheme is ASCII. */
static bool scheme_is(const struct parts *parts, const char *name)
{
	const struct str wanted = str_from(name);

	if (parts->scheme.len != wanted.len)
		return false;
	for (size_t i = 0; i < wanted.len; i++) {
		if ((parts->scheme.p[i] | 0x20) != wanted.p[i])
			return false;
	}
	return true;
}

int etcd_peerurl_normalise(struct str *url, struct arena *a, struct str text, struct err *e)
{
	CLEAN_BUF struct buf host = BUF(ETCD_URL_MAX);
	CLEAN_BUF struct buf out = BUF(4 * ETCD_URL_MAX);
	struct parts parts = { 0 };

	text = str_trim(text);
	if (text.len > ETCD_URL_MAX)
		return err_set(
			e, ERR_USAGE, "URL of %zu bytes; %d are the most", text.len, ETCD_URL_MAX);
	if (split(&parts, text, e) || plain_host(&host, parts.host, text, e))
		return e->code;
	/* The path and the rest have to parse before the scheme is looked at. */
	if (join(&out, &parts, buf_text(&host), text, e))
		return e->code;
	if (scheme_is(&parts, "http") || scheme_is(&parts, "https")) {
		if (!has_port(buf_text(&host)))
			return err_set(e, ERR_USAGE,
				"URL address does not have the form \"host:port\": %.*s",
				STR_ARG(text));
		if (parts.path.len)
			return err_set(
				e, ERR_USAGE, "URL must not contain a path: %.*s", STR_ARG(text));
	} else if (!scheme_is(&parts, "unix") && !scheme_is(&parts, "unixs")) {
		return err_set(e, ERR_USAGE, "URL scheme must be http, https, unix, or unixs: %.*s",
			STR_ARG(text));
	}
	*url = (struct str){ arena_copy(a, buf_text(&out)), out.len };
	return 0;
}
