#include "plan/value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "codec/rfc3339.h"
#include "net/url.h"
#include "node/cmdline.h"

enum { MAX_TEXT = 4096, MAX_SHOWN = 60, MAX_HOST = 253 };

static const uint64_t max_count = 1ull << 60; /* revisions are signed 64-bit numbers */

#define NO_SECRETS "a plan holds no secrets: "

/* ERR_FORMAT, "'<value>' <text>"; control bytes cannot be in it, codec/doc refuses them. */
static int bad(struct err *e, struct str text, const char *what)
{
	const bool cut = text.len > MAX_SHOWN;

	if (!text.len)
		return err_set(e, ERR_FORMAT, "is empty; %s", what);
	return err_set(e, ERR_FORMAT, "'%.*s%s' is %s", cut ? MAX_SHOWN : (int)text.len, text.p,
		cut ? "..." : "", what);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char *lower(struct arena *a, struct str s)
{
	char *copy = arena_copy(a, s);

	for (char *p = copy; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return copy;
}

/* The position of `text` among the row's words; *takes_more when that word ends in ':'. */
static bool find_word(size_t *at, bool *takes_more, const char *words, struct str text)
{
	struct str rest = str_from(words), word;

	for (*at = 0; str_next(&word, &rest, '|'); (*at)++) {
		*takes_more = str_ends(word, STR(":"));
		if (*takes_more ? str_starts(text, word) : str_equal(text, word))
			return true;
	}
	*takes_more = false;
	return false;
}

/* "s3:..., https:..., none" */
static void list_words(char *list, size_t size, const char *words)
{
	struct str rest = str_from(words), word;
	size_t at = 0;

	list[0] = 0;
	while (str_next(&word, &rest, '|')) {
		const int n = snprintf(list + at, size - at, "%s%.*s%s", at ? ", " : "",
			STR_ARG(word), str_ends(word, STR(":")) ? "..." : "");
		if (n > 0 && at + (size_t)n < size)
			at += (size_t)n;
	}
}

static int none_of(struct err *e, const char *words, struct str text)
{
	char list[300], what[400];
	struct str rest = str_from(words), word, nearest = { 0 };
	size_t best = text.len / 3 + 2;

	list_words(list, sizeof list, words);
	while (str_next(&word, &rest, '|')) {
		const size_t d = str_distance(text, word);
		if (d < best) {
			best = d;
			nearest = word;
		}
	}
	if (nearest.len)
		snprintf(what, sizeof what, "none of: %s; did you mean '%.*s'?", list,
			STR_ARG(nearest));
	else
		snprintf(what, sizeof what, "none of: %s", list);
	return bad(e, text, what);
}

static bool is_ip(struct str s)
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
		only_digits &= is_digit(s.p[i]) || s.p[i] == '.';
	}
	return only_digits;
}

/* Labels of letters, digits, '-' and '_' with dots between them. */
static bool is_name(struct str s)
{
	if (!s.len || s.len > MAX_HOST || s.p[0] == '-' || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && !strchr("-_.", s.p[i]))
			return false;
		if (s.p[i] == '.' && i + 1 < s.len && s.p[i + 1] == '.')
			return false;
	}
	return true;
}

static bool is_host(struct str s)
{
	return looks_like_ip(s) ? is_ip(s) : is_name(s);
}

/* "host:port" or "[address]:port". */
static bool is_host_port(struct str s)
{
	uint64_t port;
	size_t colon = s.len;

	while (colon && s.p[colon - 1] != ':')
		colon--;
	if (!colon || !str_u64(&port, (struct str){ s.p + colon, s.len - colon }, 10, 65535) ||
		!port)
		return false;
	struct str host = { s.p, colon - 1 };
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		return is_ip((struct str){ host.p + 1, host.len - 2 });
	return !memchr(host.p, ':', host.len) && is_host(host);
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
		NO_SECRETS "take %s out of the address and say where it is with %s: file:PATH",
		is_sftp ? "the password" : "user and password",
		is_sftp ? "sftp.identity" : "credentials");
}

/* What stands before the colon is shown only if it can be nothing but a scheme. */
static int bad_scheme(struct err *e, const char *words, struct str text)
{
	char list[300];
	size_t n = 0;

	while (n < text.len && (is_letter(text.p[n]) || is_digit(text.p[n])))
		n++;
	if (n && n < text.len && text.p[n] == ':')
		return none_of(e, words, (struct str){ text.p, n + 1 });
	list_words(list, sizeof list, words);
	return err_set(e, ERR_FORMAT, "is no address; it begins with one of: %s", list);
}

static int set_url(
	const char **out, const char *words, struct arena *a, struct str text, struct err *e)
{
	struct url url;
	struct err why = { 0 };
	size_t at;
	bool takes_more = false;

	if (find_word(&at, &takes_more, words, text) && !takes_more) {
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

static int set_peer(const char **out, struct arena *a, struct str text, struct err *e)
{
	struct url url;
	struct err why = { 0 };

	if (url_parse(&url, text, &why))
		return err_set(e, ERR_FORMAT, "%s", why.text);
	if (check_userinfo(e, &url))
		return e->code;
	if ((!url_scheme_is(&url, "https") && !url_scheme_is(&url, "http")) || !url.host.len ||
		!is_host(url.host) || !url.port || url.path.len || url.has_query ||
		url.fragment.len)
		return bad(e, text, "no peer URL; say https://HOST:2380");
	*out = arena_copy(a, text);
	return 0;
}

static int set_file(const char **out, struct arena *a, struct str text, struct err *e)
{
	struct str path = text;

	if (str_starts(path, STR("-----BEGIN")))
		return err_set(
			e, ERR_FORMAT, NO_SECRETS "put this into a file and name the file here");
	if (str_starts(path, STR("file:")))
		path = (struct str){ path.p + 5, path.len - 5 };
	if (str_starts(path, STR("///")))
		path = (struct str){ path.p + 2, path.len - 2 };
	if (path.len < 2 || path.p[0] != '/')
		return bad(e, text, "no path from the root, such as file:/media/ca.pem");
	*out = arena_copy(a, path);
	return 0;
}

/* "keep", "file:/path", "upload:URL" */
static int set_choice(
	const char **out, const char *words, struct arena *a, struct str text, struct err *e)
{
	const char *unused;
	struct str head, rest;
	size_t at;
	bool takes_more = false;

	if (!find_word(&at, &takes_more, words, text))
		return none_of(e, words, text);
	if (takes_more) {
		str_cut(&head, &rest, text, ':');
		if (str_is(head, "upload")) {
			if (set_url(&unused, "s3:|https:|http:|sftp:", a, rest, e))
				return err_wrap(e, "upload");
		} else if (rest.len < 2 || rest.p[0] != '/') {
			return bad(e, text, "no path from the root, such as file:/media/key");
		}
	}
	*out = arena_copy(a, text);
	return 0;
}

static int set_mac(const char **out, struct arena *a, struct str text, struct err *e)
{
	if (text.len != 17)
		return bad(e, text, "no MAC address, such as 52:54:00:12:34:56");
	for (size_t i = 0; i < 17; i++) {
		const char c = text.p[i];
		if (i % 3 == 2 ? c != ':' && c != '-' : !is_hex(c))
			return bad(e, text, "no MAC address, such as 52:54:00:12:34:56");
	}
	char *mac = lower(a, text);
	for (size_t i = 2; i < 17; i += 3)
		mac[i] = ':';
	*out = mac;
	return 0;
}

static int set_uuid(const char **out, struct arena *a, struct str text, struct err *e)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	bool good = text.len == sizeof shape - 1;

	for (size_t i = 0; good && i < text.len; i++)
		good = shape[i] == '-' ? text.p[i] == '-' : is_hex(text.p[i]);
	if (!good)
		return bad(e, text, "no UUID; the machine's own: etcd-rescue boot --dry-run");
	*out = lower(a, text);
	return 0;
}

static int set_sha256(const char **out, struct arena *a, struct str text, struct err *e)
{
	bool good = text.len == 64;

	for (size_t i = 0; good && i < text.len; i++)
		good = is_hex(text.p[i]);
	if (!good)
		return bad(e, text, "no SHA-256: 64 hexadecimal digits, as sha256sum prints");
	*out = lower(a, text);
	return 0;
}

static int set_fingerprint(const char **out, struct arena *a, struct str text, struct err *e)
{
	const struct str prefix = STR("SHA256:");
	bool good = text.len == prefix.len + 43 && str_starts(text, prefix);

	for (size_t i = prefix.len; good && i < text.len; i++)
		good = is_letter(text.p[i]) || is_digit(text.p[i]) || strchr("+/", text.p[i]);
	if (!good)
		return bad(e, text,
			"no fingerprint: SHA256: and 43 letters, as ssh-keygen -lf prints");
	*out = arena_copy(a, text);
	return 0;
}

/* crypt(5): $5$ and $6$, an optional rounds=N$, a salt, 43 or 86 letters. */
static int set_hash(const char **out, struct arena *a, struct str text, struct err *e)
{
	const bool is_512 = str_starts(text, STR("$6$"));
	struct str rest = { text.p + 3, text.len - 3 }, salt, hash;
	bool good = text.len < 200 && (is_512 || str_starts(text, STR("$5$")));

	if (good && str_starts(rest, STR("rounds=")))
		good = str_cut(&salt, &rest, rest, '$');
	good = good && str_cut(&salt, &hash, rest, '$') && salt.len <= 16 &&
	       hash.len == (is_512 ? 86 : 43);
	for (size_t i = 0; good && i < text.len; i++)
		good = is_letter(text.p[i]) || is_digit(text.p[i]) || strchr("$./=", text.p[i]);
	/* It may be the password itself, so it is not repeated. */
	if (!good)
		return err_set(e, ERR_FORMAT,
			"is no $5$ or $6$ password hash; make one with: openssl passwd -6");
	*out = arena_copy(a, text);
	return 0;
}

static int set_network(const char **out, struct arena *a, struct str text, struct err *e)
{
	struct network network = { 0 };

	if (!text.len)
		return bad(e, text, "say ip=dhcp");
	if (node_cmdline_network(&network, a, text, e))
		return e->code = ERR_FORMAT; /* it is a file that is wrong, not a call */
	*out = arena_copy(a, text);
	return 0;
}

static int set_checked(const char **out, bool good, struct arena *a, struct str text,
	const char *what, struct err *e)
{
	if (!good)
		return bad(e, text, what);
	*out = arena_copy(a, text);
	return 0;
}

static int set_text(const char **out, struct arena *a, struct str text, struct err *e)
{
	if (str_starts(text, STR("-----BEGIN")))
		return err_set(e, ERR_FORMAT, NO_SECRETS "this looks like a key");
	return set_checked(out, text.len && !memchr(text.p, '\n', text.len), a, text,
		"not one line of text", e);
}

int value_text(const char **out, const struct schema_row *row, struct arena *a, struct str text,
	struct err *e)
{
	const char *words = row->words ? row->words : "";

	if (text.len > MAX_TEXT)
		return bad(e, text, "too long");
	switch (row->type) {
	case SCHEMA_TEXT:
		return set_text(out, a, text, e);
	case SCHEMA_NAME:
		return set_checked(out, is_name(text), a, text,
			"no name: letters, digits, '-', '_' and '.'", e);
	case SCHEMA_CHOICE:
		return set_choice(out, words, a, text, e);
	case SCHEMA_URL:
		return set_url(out, words, a, text, e);
	case SCHEMA_PEER_URL:
		return set_peer(out, a, text, e);
	case SCHEMA_FILE:
		return set_file(out, a, text, e);
	case SCHEMA_HOST:
		return set_checked(
			out, is_host(text), a, text, "neither a host name nor an IP address", e);
	case SCHEMA_HOST_PORT:
		return set_checked(
			out, is_host_port(text), a, text, "not HOST:PORT, such as logs:514", e);
	case SCHEMA_IDENTITY:
		return set_checked(out, is_host(text), a, text,
			"neither an IP address nor the name of a node", e);
	case SCHEMA_IP:
		return set_checked(out, is_ip(text), a, text, "no IP address", e);
	case SCHEMA_MAC:
		return set_mac(out, a, text, e);
	case SCHEMA_UUID:
		return set_uuid(out, a, text, e);
	case SCHEMA_SHA256:
		return set_sha256(out, a, text, e);
	case SCHEMA_FINGERPRINT:
		return set_fingerprint(out, a, text, e);
	case SCHEMA_HASH:
		return set_hash(out, a, text, e);
	case SCHEMA_NETWORK:
		return set_network(out, a, text, e);
	default:
		return err_set(e, ERR_BUG, "key %s has no type of text", row->key);
	}
}

static int set_bool(bool *out, struct str text, struct err *e)
{
	const bool yes = str_is(text, "yes") || str_is(text, "true");

	if (!yes && !str_is(text, "no") && !str_is(text, "false"))
		return bad(e, text, "neither yes nor no");
	*out = yes;
	return 0;
}

static int set_count(uint64_t *out, const struct schema_row *row, struct str text, struct err *e)
{
	uint64_t n;

	if (row->type == SCHEMA_GENERATION) {
		if (!str_u64(&n, text, 10, UINT32_MAX) || !n)
			return bad(e, text, "no whole number from 1 to 4294967295");
		*out = n;
		return 0;
	}
	if (str_is(text, "auto"))
		*out = UINT64_MAX;
	else if (str_is(text, "no"))
		*out = 0;
	else if (!str_u64(out, text, 10, max_count))
		return bad(e, text, "neither auto nor no nor a whole number, digits only");
	return 0;
}

int value_set(
	void *field, const struct schema_row *row, struct arena *a, struct str text, struct err *e)
{
	size_t at;
	bool takes_more;

	switch (row->type) {
	case SCHEMA_WORD:
		if (!find_word(&at, &takes_more, row->words, text))
			return none_of(e, row->words, text);
		*(unsigned *)field = (unsigned)at;
		return 0;
	case SCHEMA_BOOL:
		return set_bool(field, text, e);
	case SCHEMA_COUNT:
	case SCHEMA_GENERATION:
		return set_count(field, row, text, e);
	case SCHEMA_TIME:
		if (!rfc3339_parse(field, text))
			return bad(e, text, "no time with a zone, such as 2026-11-20T18:00Z");
		return 0;
	case SCHEMA_DURATION:
		if (!duration_parse(field, text))
			return bad(e, text, "no duration, such as 90s, 15m or 1h30m");
		return 0;
	default:
		return value_text(field, row, a, text, e);
	}
}

bool value_key_is_secret(struct str key)
{
	static const char *const parts[] = { "password", "passwd", "passphrase", "secret",
		"access-key", "accesskey", "access_key", "private-key", "private_key", "api-key",
		"session-token" };
	size_t at;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (str_find(&at, key, str_from(parts[i])))
			return true;
	}
	return false;
}
