#include "net/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "codec/cpu.h"
#include "net/sigv4.h"
#include "net/url.h"

enum {
	CONNECT_MS = 15000,
	STALL_MS = 30000,
	SHOWN_MAX = 32768,
	HEADER_MAX = 65536,
	SIGN_MAX = 4 << 20
};

static const char *header(CURL *curl, const char *name)
{
	struct curl_header *found;

	/* Of the last answer: redirects had headers too. */
	return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &found) ? "" : found->value;
}

/* "bytes 100-199/1000"; `total` stays as it is when it is not a number. */
static bool read_range(uint64_t *from, uint64_t *last, uint64_t *total, struct str text)
{
	struct str unit, range, first, whole, until;
	uint64_t v;

	if (!str_cut(&unit, &range, text, ' ') || !str_is(unit, "bytes") ||
		!str_cut(&range, &whole, range, '/') || !str_cut(&first, &until, range, '-') ||
		!str_u64(from, first, 10, UINT64_MAX) || !str_u64(last, until, 10, UINT64_MAX))
		return false;
	if (str_u64(&v, whole, 10, UINT64_MAX))
		*total = v;
	return *last >= *from && *last < *total;
}

/* Status and headers, as soon as they are complete. */
static int look_at_answer(struct transfer *t)
{
	struct http_response *r = t->response;
	const struct http_request *q = t->request;
	long status = 0;
	uint64_t v, from = 0, last = 0;

	if (t->started)
		return 0;
	t->started = true;
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	r->status = (unsigned)status;
	const time_t date = curl_getdate(header(t->curl, "date"), NULL);
	r->date = date > 0 ? date : 0;
	snprintf(r->etag, sizeof r->etag, "%s", header(t->curl, "etag"));
	snprintf(r->modified, sizeof r->modified, "%s", header(t->curl, "last-modified"));
	snprintf(r->type, sizeof r->type, "%s", header(t->curl, "content-type"));
	snprintf(r->version, sizeof r->version, "%s", header(t->curl, "x-amz-version-id"));
	snprintf(r->region, sizeof r->region, "%s", header(t->curl, "x-amz-bucket-region"));
	snprintf(r->cluster, sizeof r->cluster, "%s", header(t->curl, "x-etcd-cluster-id"));
	if (str_u64(&v, str_from(header(t->curl, "retry-after")), 10, 86400))
		r->retry_ms = (unsigned)v * 1000;
	if (status / 100 != 2)
		return 0;
	if (status == 206) {
		if (!read_range(
			    &from, &last, &r->length, str_from(header(t->curl, "content-range"))) ||
			from != q->from || (q->len && last - from >= q->len))
			return err_set(t->e, ERR_MISMATCH, "the server sent another range");
	} else if (str_u64(&v, str_from(header(t->curl, "content-length")), 10, UINT64_MAX)) {
		r->length = v;
	}
	if (status != 206 && (q->from || q->len) && !q->head && !t->any_range)
		return err_set(t->e, ERR_MISMATCH, "the server knows no ranges");
	if (q->cap && !q->len && r->length != UINT64_MAX && r->length - from > q->cap)
		return err_set(t->e, ERR_SPACE, "%ju bytes, more than the %ju allowed",
			(uintmax_t)r->length, (uintmax_t)q->cap);
	return 0;
}

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	struct http_response *r = t->response;
	const size_t len = size * n;

	if (look_at_answer(t))
		return CURL_WRITEFUNC_ERROR;
	if (r->status / 100 != 2) {
		const size_t have = strlen(r->refusal), room = sizeof r->refusal - 1 - have;
		memcpy(r->refusal + have, bytes, len < room ? len : room);
		return len;
	}
	if (t->request->cap && r->got + len > t->request->cap) {
		err_set(t->e, ERR_SPACE, "more than the %ju bytes allowed",
			(uintmax_t)t->request->cap);
		return CURL_WRITEFUNC_ERROR;
	}
	if (r->status == 206 && t->request->len && len > t->request->len - r->got) {
		err_set(t->e, ERR_MISMATCH, "the server sent more than the range asked for");
		return CURL_WRITEFUNC_ERROR;
	}
	r->got += len;
	const int bad = t->request->sink
				? t->request->sink(t->request->ctx,
					  (struct span){ (const uint8_t *)bytes, len }, t->e)
				: 0;
	if (bad == TRANSFER_PAUSE)
		r->got -= len;
	if (bad)
		return bad == TRANSFER_PAUSE ? CURL_WRITEFUNC_PAUSE : CURL_WRITEFUNC_ERROR;
	return len;
}

static struct curl_blob blob(struct span s)
{
	/* Never written to: CURL_BLOB_NOCOPY only borrows. */
	struct curl_blob b = { .len = s.len, .flags = CURL_BLOB_NOCOPY };

	memcpy(&b.data, &s.p, sizeof b.data);
	return b;
}

/* mbedTLS asks for ChaCha20 first, and servers follow. Its AES-GCM is more than twice as quick
 * where the processor helps. Behind the quick ones stands what old servers need. */
static void set_ciphers(CURL *curl)
{
	static const char quick[] =
		"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
		"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
		"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
		"DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"
		"ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
		"ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"
		"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
		"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
		"DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:"
		"DHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:"
		"AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:"
		"AES128-SHA:AES256-SHA";

	if (!codec_cpu_has_gcm())
		return;
	curl_easy_setopt(curl, CURLOPT_TLS13_CIPHERS,
		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
	curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, quick);
}

/* mbedTLS takes PEM only with a zero byte behind it, which libcurl adds to certificates alone. */
static void set_key(CURL *curl, struct span key)
{
	struct curl_blob b = { .len = key.len + 1, .flags = CURL_BLOB_COPY };

	b.data = calloc(1, b.len);
	if (!b.data)
		out_of_memory(b.len);
	memcpy(b.data, key.p, key.len);
	curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &b);
	explicit_bzero(b.data, b.len);
	free(b.data);
}

static void set_trust(CURL *curl, const struct trust *trust)
{
	struct curl_blob anchors = blob(trust->anchors), cert = blob(trust->cert);

	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, trust->only_date ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, trust->only_date ? 0L : 2L);
	if (anchors.len) {
		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &anchors);
		curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO_BLOB, &anchors);
	}
	if (cert.len) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &cert);
		set_key(curl, trust->key.len ? trust->key : trust->cert);
	}
	set_ciphers(curl);
	if (trust->pin)
		curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, trust->pin);
}

static void add_line(struct curl_slist **list, const char *name, const char *value)
{
	CLEAN_BUF struct buf line = BUF(HEADER_MAX);
	struct err ignored = { 0 };

	/* Longer than any server takes, it would only be refused there. */
	if (buf_print(&line, &ignored, "%s%s", name, value))
		return;
	struct curl_slist *more = curl_slist_append(*list, (const char *)line.p);
	if (!more)
		out_of_memory(line.len);
	*list = more;
}

static void set_range(CURL *curl, const struct http_request *q)
{
	char range[64];

	if (!q->from && !q->len)
		return;
	if (q->len)
		snprintf(range, sizeof range, "%ju-%ju", (uintmax_t)q->from,
			(uintmax_t)(q->from + q->len - 1));
	else
		snprintf(range, sizeof range, "%ju-", (uintmax_t)q->from);
	curl_easy_setopt(curl, CURLOPT_RANGE, range);
}

static bool is_head(const struct http_request *q)
{
	return q->head || (q->method && !strcmp(q->method, "HEAD"));
}

static int sign(struct transfer *t, const struct url *url)
{
	const struct http_request *q = t->request;
	struct arena a = ARENA(SIGN_MAX);
	const char *lines[SIGV4_LINES];
	const bool v6 = memchr(url->host.p, ':', url->host.len) != NULL;
	const unsigned own = url_scheme_is(url, "https") ? 443 : 80;
	const struct sigv4 what = {
		.auth = q->auth,
		.method = is_head(q)  ? "HEAD"
			  : q->method ? q->method
				      : "GET",
		.host = arena_print(&a, "%s%.*s%s%s", v6 ? "[" : "", STR_ARG(url->host),
			v6 ? "]" : "",
			url->port && url->port != own ? arena_print(&a, ":%u", url->port) : ""),
		.path = url->path,
		.query = url->query,
		.headers = q->headers,
		.body = q->body,
		.now = time(NULL),
	};

	if (!sigv4_sign(lines, &a, &what, t->e)) {
		for (size_t i = 0; lines[i]; i++)
			add_line(&t->headers, lines[i], "");
		/* What was signed is what is sent. */
		curl_easy_setopt(t->curl, CURLOPT_PATH_AS_IS, 1L);
	}
	arena_free(&a);
	return t->e->code;
}

/* libcurl takes basic and bearer to no other host, port or scheme by itself. What is signed
 * for one host is of no use at another, so those requests stay. */
static int set_auth(struct transfer *t, const struct url *url)
{
	const struct http_auth *auth = t->request->auth;
	CURL *curl = t->curl;

	switch (auth->kind) {
	case HTTP_AUTH_NONE:
		return 0;
	case HTTP_AUTH_BEARER:
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, auth->secret);
		return 0;
	case HTTP_AUTH_SIGV4:
		return sign(t, url);
	case HTTP_AUTH_BASIC:
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	}
	curl_easy_setopt(curl, CURLOPT_USERNAME, auth->user);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, auth->secret);
	return 0;
}

static bool changes_nothing(const struct http_request *q)
{
	return !q->method || !strcmp(q->method, "GET") || !strcmp(q->method, "HEAD");
}

static void set_method(CURL *curl, const struct http_request *q)
{
	if (is_head(q)) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	} else if (!changes_nothing(q)) {
		/* Also without a body, for its Content-Length of 0. */
		if (q->body.len || !strcmp(q->method, "POST") || !strcmp(q->method, "PUT")) {
			curl_easy_setopt(
				curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
			curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
				q->body.len ? (const char *)q->body.p : "");
		}
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
	}
}

static int set_up(struct transfer *t, const struct url *url)
{
	const struct http_request *q = t->request;
	CURL *curl = t->curl;
	const unsigned stall = q->stall_ms ? q->stall_ms : STALL_MS;
	const bool signs = q->auth && q->auth->kind == HTTP_AUTH_SIGV4;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, q->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
		url_scheme_is(url, "https") ? "https" : "http,https");
	curl_easy_setopt(
		curl, CURLOPT_FOLLOWLOCATION, q->stay || signs || !changes_nothing(q) ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)TRANSFER_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "etcd-rescue/" VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(q->connect_ms ? q->connect_ms : CONNECT_MS));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(stall + 999) / 1000);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)q->total_ms);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	if (q->proxy)
		curl_easy_setopt(curl, CURLOPT_PROXY, q->proxy);
	if (q->connect_to)
		add_line(&t->connect_to, "::", q->connect_to);
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, t->connect_to);
	if (q->trust)
		set_trust(curl, q->trust);
	set_method(curl, q);
	set_range(curl, q);
	for (const char *const *h = q->headers; h && *h; h++)
		add_line(&t->headers, *h, "");
	if (q->auth && set_auth(t, url))
		return t->e->code;
	if (t->headers)
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->headers);
	return 0;
}

int transfer_begin(struct transfer *t, CURL *curl, const struct http_request *request,
	struct http_response *response, struct err *e)
{
	struct url url;

	*t = (struct transfer){ .curl = curl, .request = request, .response = response, .e = e };
	*response = (struct http_response){ .length = UINT64_MAX };
	e->code = ERR_OK;
	if (url_parse(&url, str_from(request->url), e)) {
		t->request = NULL; /* nothing that could be shown */
		return e->code;
	}
	if (!url_scheme_is(&url, "http") && !url_scheme_is(&url, "https"))
		return err_set(e, ERR_UNSUPPORTED, "neither http nor https");
	if (!url.host.len)
		return err_set(e, ERR_FORMAT, "no host in the URL");
	if (request->trust && request->trust->only_date && !request->head)
		return err_set(e, ERR_BUG, "a body from nobody knows whom");
	return set_up(t, &url);
}

static int judge(struct transfer *t, CURLcode code)
{
	const struct http_request *q = t->request;
	const struct http_response *r = t->response;

	if (code)
		return transfer_error(t, code);
	if (look_at_answer(t)) /* an empty body */
		return t->e->code;
	if (r->status / 100 != 2)
		return transfer_refusal(t->e, r->status);
	if (r->status == 206 && q->len && r->got != q->len && !q->head &&
		r->length - q->from > r->got)
		return err_set(t->e, ERR_MISMATCH, "%ju bytes of the %ju asked for",
			(uintmax_t)r->got, (uintmax_t)q->len);
	return 0;
}

int transfer_end(struct transfer *t, CURLcode code)
{
	struct arena shown = ARENA(SHOWN_MAX);
	curl_off_t took = 0;

	if (!t->e->code) {
		curl_easy_getinfo(t->curl, CURLINFO_TOTAL_TIME_T, &took);
		t->response->took_ms = (unsigned)(took / 1000);
		curl_easy_getinfo(t->curl, CURLINFO_CONNECT_TIME_T, &took);
		t->response->connected = took > 0;
		judge(t, code);
	}
	/* A sink's or the answer's refusal is there already. */
	if (t->e->code && t->request)
		err_wrap(t->e, "%s", url_text_shown(&shown, t->request->url));
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	t->headers = t->connect_to = NULL;
	arena_free(&shown);
	return t->e->code;
}
