#include "net/sigv4.h"

#include <mbedtls/md.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "codec/sha256.h"
#include "codec/text.h"
#include "net/percent.h"

enum { TEXT_MAX = 65536, PAIRS_MAX = 128, HEADERS_MAX = 64 };

struct pair {
	const char *name, *value;
};

/* Decoded, and encoded again the one way that is signed. `keep`: one more byte that stays. */
static const char *canonical(struct arena *a, struct str s, char keep)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, s.len * 3 + 1), *to = out;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (percent_at(&c, s, i)) {
			i += 2;
			/* A slash that was encoded is not one that parts. */
			if (c == keep) {
				memcpy(to, s.p + i - 2, 3);
				to += 3;
				continue;
			}
		} else if (c == '+' && !keep) {
			c = ' '; /* in queries */
		}
		if (ascii_is_letter(c) || ascii_is_digit(c) || (c && strchr("-._~", c)) ||
			(keep && c == keep)) {
			*to++ = c;
		} else {
			*to++ = '%';
			*to++ = digits[(unsigned char)c >> 4];
			*to++ = digits[c & 15];
		}
	}
	return out;
}

/* All but S3 sign the path so. */
static const char *encoded_again(struct arena *a, const char *path)
{
	char *out = arena_alloc(a, strlen(path) * 3 + 1), *to = out;

	for (; *path; path++) {
		*to++ = *path;
		if (*path == '%') {
			*to++ = '2';
			*to++ = '5';
		}
	}
	return out;
}

static int by_name(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	const int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->value, y->value);
}

static int add_query(struct buf *text, struct arena *a, struct str query, struct err *e)
{
	struct pair pairs[PAIRS_MAX];
	struct str part, name, value;
	size_t n = 0;

	while (query.len && str_next(&part, &query, '&')) {
		if (!part.len)
			continue;
		if (n == PAIRS_MAX)
			return err_set(e, ERR_SPACE, "too long a query to be signed");
		if (!str_cut(&name, &value, part, '=')) {
			name = part;
			value = (struct str){ 0 };
		}
		pairs[n++] = (struct pair){ canonical(a, name, 0), canonical(a, value, 0) };
	}
	qsort(pairs, n, sizeof *pairs, by_name);
	for (size_t i = 0; i < n; i++) {
		if (buf_print(text, e, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value))
			return e->code;
	}
	return 0;
}

/* In small letters, without blanks around the value and with single ones in it. */
static struct pair read_header(struct arena *a, const char *line)
{
	struct str name, value;
	char *low, *tight, *to;

	if (!str_cut(&name, &value, str_from(line), ':'))
		return (struct pair){ NULL, NULL };
	value = str_trim(value);
	low = arena_copy(a, name);
	for (char *c = low; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	to = tight = arena_copy(a, value);
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] != ' ' || value.p[i - 1] != ' ')
			*to++ = value.p[i];
	}
	*to = 0;
	return (struct pair){ low, tight };
}

static int add_headers(struct buf *text, const char **names, struct arena *a,
	const char *const *given, const char *const *own, struct err *e)
{
	CLEAN_BUF struct buf list = BUF(TEXT_MAX);
	struct pair pairs[HEADERS_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < 2; i++) {
		for (const char *const *h = i ? own : given; h && *h; h++) {
			if (n == HEADERS_MAX)
				return err_set(e, ERR_SPACE, "too many headers to be signed");
			pairs[n] = read_header(a, *h);
			n += pairs[n].name && *pairs[n].value;
		}
	}
	qsort(pairs, n, sizeof *pairs, by_name);
	for (size_t i = 0; i < n; i++) {
		if (buf_print(text, e, "%s:%s\n", pairs[i].name, pairs[i].value) ||
			buf_print(&list, e, "%s%s", i ? ";" : "", pairs[i].name))
			return e->code;
	}
	*names = arena_copy(a, buf_text(&list));
	return buf_print(text, e, "\n%s\n", *names);
}

static const char *hex(struct arena *a, const uint8_t digest[CODEC_SHA256_SIZE])
{
	CLEAN_BUF struct buf text = BUF(2 * CODEC_SHA256_SIZE);
	struct err e = { 0 };

	codec_text_hex(&text, (struct span){ digest, CODEC_SHA256_SIZE }, &e);
	return arena_copy(a, buf_text(&text));
}

static const char *digest_of(struct arena *a, struct span bytes)
{
	uint8_t digest[CODEC_SHA256_SIZE];

	codec_sha256_of(digest, bytes);
	return hex(a, digest);
}

static void seal(uint8_t mac[CODEC_SHA256_SIZE], const void *key, size_t len, const char *text)
{
	mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, len,
		(const unsigned char *)text, strlen(text), mac);
}

static const char *signature(
	struct arena *a, const struct sigv4 *q, const char *day, const char *text)
{
	char *secret = arena_print(a, "AWS4%s", q->auth->secret);
	uint8_t key[CODEC_SHA256_SIZE];

	seal(key, secret, strlen(secret), day);
	explicit_bzero(secret, strlen(secret));
	seal(key, key, sizeof key, q->auth->region);
	seal(key, key, sizeof key, q->auth->service);
	seal(key, key, sizeof key, "aws4_request");
	seal(key, key, sizeof key, text);
	return hex(a, key);
}

int sigv4_sign(
	const char *lines[SIGV4_LINES], struct arena *a, const struct sigv4 *q, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(TEXT_MAX);
	const struct http_auth *auth = q->auth;
	const char *digest = digest_of(a, q->body), *names = "";
	const time_t now = (time_t)q->now;
	char stamp[24], day[16];
	struct tm tm;
	size_t n = 0;

	if (!auth->user || !auth->secret || !auth->region || !auth->service)
		return err_set(e, ERR_USAGE, "nothing to sign with: key, secret or region missing");
	if (q->path.len > TEXT_MAX / 4 || q->query.len > TEXT_MAX / 4)
		return err_set(e, ERR_SPACE, "too long an address to be signed");
	const bool s3 = !strcmp(auth->service, "s3");
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	strftime(day, sizeof day, "%Y%m%d", &tm);
	lines[n++] = arena_print(a, "Host: %s", q->host);
	lines[n++] = arena_print(a, "x-amz-date: %s", stamp);
	if (s3)
		lines[n++] = arena_print(a, "x-amz-content-sha256: %s", digest);
	if (auth->session && *auth->session)
		lines[n++] = arena_print(a, "x-amz-security-token: %s", auth->session);
	lines[n] = NULL;
	const char *path = canonical(a, q->path.len ? q->path : STR("/"), '/');
	if (!s3)
		path = encoded_again(a, path);
	if (buf_print(&text, e, "%s\n%s\n", q->method, path) || add_query(&text, a, q->query, e) ||
		buf_print(&text, e, "\n") || add_headers(&text, &names, a, q->headers, lines, e) ||
		buf_print(&text, e, "%s", digest))
		return e->code;
	const char *scope =
		arena_print(a, "%s/%s/%s/aws4_request", day, auth->region, auth->service);
	const char *to_sign = arena_print(
		a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, digest_of(a, buf_span(&text)));
	lines[n++] = arena_print(a,
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		auth->user, scope, names, signature(a, q, day, to_sign));
	lines[n] = NULL;
	return 0;
}
