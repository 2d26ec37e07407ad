#include "plan/value_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "net/url.h"
#include "plan/value_words.h"

enum { MAX_HOST = 253 };

bool value_is_ip(struct str s)
{
	char text[64];
	unsigned char address[16];

	if (s.len >= sizeof text || memchr(s.p, 0, s.len))
		return false;
	snprintf(text, sizeof text, "%.*s", STR_ARG(s));
	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool looks_like_ip(struct str s)
{
	bool only_digits = s.len > 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == ':')
			return true;
		only_digits &= ascii_is_digit(s.p[i]) || s.p[i] == '.';
	}
	return only_digits;
}

bool value_is_name(struct str s)
{
	if (!s.len || s.len > MAX_HOST || s.p[0] == '-' || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_letter(s.p[i]) && !ascii_is_digit(s.p[i]) && !strchr("-_.", s.p[i]))
			return false;
		if (s.p[i] == '.' && i + 1 < s.len && s.p[i + 1] == '.')
			return false;
	}
	return true;
}

bool value_is_host(struct str s)
{
	return looks_like_ip(s) ? value_is_ip(s) : value_is_name(s);
}

bool value_is_host_port(struct str s)
{
	uint64_t port;

	/* Without a scheme it is whatever its key is used to. */
	if (str_starts(s, STR("tcp://")) || str_starts(s, STR("udp://"))) {
		s.p += 6;
		s.len -= 6;
	}
	size_t colon = s.len;
	while (colon && s.p[colon - 1] != ':')
		colon--;
	if (!colon || !str_u64(&port, (struct str){ s.p + colon, s.len - colon }, 10, 65535) ||
		!port)
		return false;
	struct str host = { s.p, colon - 1 };
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		return value_is_ip((struct str){ host.p + 1, host.len - 2 });
	return !memchr(host.p, ':', host.len) && value_is_host(host);
}

/* Secrets in an address: any user of the web's schemes, a password of the others. */
static int check_userinfo(struct err *e, const struct url *url)
{
	const bool is_sftp = url_scheme_is(url, "sftp");

	if (!url->has_userinfo)
		return 0;
	if (is_sftp && !memchr(url->userinfo.p, ':', url->userinfo.len))
		return 0;
	return err_set(e, ERR_FORMAT,
		VALUE_NO_SECRETS
		"take %s out of the address and say where it is with %s: file:PATH",
		is_sftp ? "the password" : "user and password",
		is_sftp ? "sftp.identity" : "credentials");
}

/* What stands before the colon is shown only if it can be nothing but a scheme. */
static int bad_scheme(struct err *e, const char *words, struct str text)
{
	char list[VALUE_WORDS_MAX];
	size_t n = 0;

	while (n < text.len && (ascii_is_letter(text.p[n]) || ascii_is_digit(text.p[n])))
		n++;
	if (n && n < text.len && text.p[n] == ':')
		return value_none_of(e, words, (struct str){ text.p, n + 1 });
	value_list_words(list, words);
	return err_set(e, ERR_FORMAT, "is no address; it begins with one of: %s", list);
}

int value_set_url(
	const char **out, const char *words, struct arena *a, struct str text, struct err *e)
{
	struct url url;
	struct err why = { 0 };
	size_t at;
	bool takes_more = false;

	if (value_find_word(&at, &takes_more, words, text) && !takes_more) {
		*out = arena_copy(a, text);
		return 0;
	}
	if (!takes_more)
		return bad_scheme(e, words, text);
	if (url_parse(&url, text, &why))
		return err_set(e, ERR_FORMAT, "%s", why.text);
	if (check_userinfo(e, &url))
		return e->code;
	if (str_is(url.query, "...")) /* net/url.h: url_shown */
		return err_set(
			e, ERR_FORMAT, "was cut behind the '?' when it was shown; write all of it");
	const bool needs_host = url_scheme_is(&url, "s3") || url_scheme_is(&url, "sftp") ||
				url_scheme_is(&url, "https") || url_scheme_is(&url, "http");
	if (needs_host && (!url.authority || !url.host.len))
		return err_set(e, ERR_FORMAT, "the address names no %s",
			url_scheme_is(&url, "s3") ? "bucket: s3://BUCKET/PREFIX"
						  : "host: scheme://HOST/PATH");
	*out = arena_copy(a, text);
	return 0;
}

int value_set_peer(const char **out, struct arena *a, struct str text, struct err *e)
{
	struct url url;
	struct err why = { 0 };

	if (url_parse(&url, text, &why))
		return err_set(e, ERR_FORMAT, "%s", why.text);
	if (check_userinfo(e, &url))
		return e->code;
	if ((!url_scheme_is(&url, "https") && !url_scheme_is(&url, "http")) || !url.host.len ||
		!value_is_host(url.host) || !url.port || url.path.len || url.has_query ||
		url.fragment.len)
		return value_bad(e, text, "no peer URL; say https://HOST:2380");
	*out = arena_copy(a, text);
	return 0;
}
