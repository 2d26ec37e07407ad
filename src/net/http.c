#include "net/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/monotonic.h"
#include "net/retry.h"
#include "net/url.h"

enum { REDIRECTS = 5, CONNECT_MS = 15000, STALL_MS = 30000, SHOWN_MAX = 32768 };

struct transfer {
	CURL *curl;
	const struct http_request *request;
	struct http_response *response;
	bool started; /* the answer was looked at */
	struct err *e;
	char why[CURL_ERROR_SIZE];
};

struct http_session *http_session_open(void)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		out_of_memory(0);
	return (struct http_session *)curl;
}

void http_session_close(struct http_session *session)
{
	curl_easy_cleanup((CURL *)session);
}

static const char *header(CURL *curl, const char *name)
{
	struct curl_header *found;

	/* Of the last answer: redirects had headers too. */
	return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &found) ? "" : found->value;
}

/* "bytes 100-199/1000"; `total` stays as it is when it is not a number. */
static bool read_range(uint64_t *from, uint64_t *total, struct str text)
{
	struct str unit, range, first, whole, last;
	uint64_t v;

	if (!str_cut(&unit, &range, text, ' ') || !str_is(unit, "bytes") ||
		!str_cut(&range, &whole, range, '/') || !str_cut(&first, &last, range, '-') ||
		!str_u64(from, first, 10, UINT64_MAX))
		return false;
	if (str_u64(&v, whole, 10, UINT64_MAX))
		*total = v;
	return true;
}

/* Status and headers, as soon as they are complete. */
static int look_at_answer(struct transfer *t)
{
	struct http_response *r = t->response;
	const struct http_request *q = t->request;
	long status = 0;
	uint64_t v, from = 0;

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
	if (str_u64(&v, str_from(header(t->curl, "retry-after")), 10, 86400))
		r->retry_ms = (unsigned)v * 1000;
	if (status / 100 != 2)
		return 0;
	if (status == 206) {
		if (!read_range(&from, &r->length, str_from(header(t->curl, "content-range"))) ||
			from != q->from)
			return err_set(t->e, ERR_MISMATCH, "the server sent another range");
	} else if (str_u64(&v, str_from(header(t->curl, "content-length")), 10, UINT64_MAX)) {
		r->length = v;
	}
	if (status != 206 && (q->from || q->len) && !q->head)
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
	r->got += len;
	if (t->request->sink && t->request->sink(t->request->ctx,
					(struct span){ (const uint8_t *)bytes, len }, t->e))
		return CURL_WRITEFUNC_ERROR;
	return len;
}

static struct curl_blob blob(struct span s)
{
	/* Never written to: CURL_BLOB_NOCOPY only borrows. */
	struct curl_blob b = { .len = s.len, .flags = CURL_BLOB_NOCOPY };

	memcpy(&b.data, &s.p, sizeof b.data);
	return b;
}

static void set_trust(CURL *curl, const struct trust *trust)
{
	struct curl_blob anchors = blob(trust->anchors), cert = blob(trust->cert),
			 key = blob(trust->key);

	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, trust->only_date ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, trust->only_date ? 0L : 2L);
	if (anchors.len) {
		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &anchors);
		curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO_BLOB, &anchors);
	}
	if (cert.len) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &cert);
		curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, key.len ? &key : &cert);
	}
	if (trust->pin)
		curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, trust->pin);
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

static void set_up(struct transfer *t, const struct url *url, struct curl_slist *headers)
{
	const struct http_request *q = t->request;
	CURL *curl = t->curl;
	const unsigned stall = q->stall_ms ? q->stall_ms : STALL_MS;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, q->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
		url_scheme_is(url, "https") ? "https" : "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
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
	curl_easy_setopt(curl, CURLOPT_NOBODY, q->head ? 1L : 0L);
	if (q->proxy)
		curl_easy_setopt(curl, CURLOPT_PROXY, q->proxy);
	if (headers)
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (q->trust)
		set_trust(curl, q->trust);
	set_range(curl, q);
}

/* libcurl hands on mbedTLS's sentences, or its names where those were left out. */
static int certificate_error(struct err *e, const char *why)
{
	if (strcasestr(why, "EXPIRED") || strcasestr(why, "FUTURE"))
		return err_set(e, ERR_AUTH,
			"the server's certificate is not valid at this machine's time; is the "
			"clock "
			"right? (date)");
	if (strcasestr(why, "CN_MISMATCH") || strcasestr(why, "does not match"))
		return err_set(e, ERR_AUTH, "the server's certificate is for another name");
	if (strcasestr(why, "NOT_TRUSTED") || strcasestr(why, "not correctly signed"))
		return err_set(e, ERR_AUTH,
			"no certificate authority known here signed the server's certificate; "
			"customise puts your own into the image");
	return err_set(e, ERR_AUTH, "the server's certificate is not accepted: %s", why);
}

static int transfer_error(struct transfer *t, CURLcode code)
{
	const char *why = *t->why ? t->why : curl_easy_strerror(code);

	switch (code) {
	case CURLE_WRITE_ERROR: /* look_at_answer or the sink has said why */
		return t->e->code ? (int)t->e->code : err_set(t->e, ERR_NET, "%s", why);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_error(t->e, why);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return err_set(t->e, ERR_AUTH, "the server has another key than the one pinned");
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(t->e, ERR_AUTH, "%s", why);
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(t->e, ERR_UNSUPPORTED,
			"the server sends us on to an address that is neither http nor https, or "
			"from https to http");
	case CURLE_TOO_MANY_REDIRECTS:
		return err_set(t->e, ERR_MISMATCH, "more than %d redirections", REDIRECTS);
	case CURLE_URL_MALFORMAT:
		return err_set(t->e, ERR_FORMAT, "%s", why);
	default:
		return err_set(t->e, ERR_NET, "%s", why);
	}
}

static int status_error(struct err *e, unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
		return err_set(e, ERR_AUTH, "the %s refuses us (status %u)",
			status == 407 ? "proxy" : "server", status);
	case 404:
	case 410:
		return err_set(e, ERR_NOTFOUND, "there is no such thing (status %u)", status);
	case 408:
	case 425:
	case 429:
		return err_set(e, ERR_NET, "the server is busy (status %u)", status);
	default:
		return err_set(e, status >= 500 ? ERR_NET : ERR_MISMATCH,
			"the server answers with status %u", status);
	}
}

static int perform(struct transfer *t, const struct url *url)
{
	struct curl_slist *headers = NULL;
	struct http_response *r = t->response;
	curl_off_t took = 0;

	for (const char *const *h = t->request->headers; h && *h; h++) {
		struct curl_slist *more = curl_slist_append(headers, *h);
		if (!more)
			out_of_memory(strlen(*h));
		headers = more;
	}
	set_up(t, url, headers);
	t->e->code = ERR_OK;
	const CURLcode code = curl_easy_perform(t->curl);
	curl_easy_getinfo(t->curl, CURLINFO_TOTAL_TIME_T, &took);
	r->took_ms = (unsigned)(took / 1000);
	int bad = code ? transfer_error(t, code) : look_at_answer(t); /* an empty body */
	if (!bad && r->status / 100 != 2)
		bad = status_error(t->e, r->status);
	if (!bad && t->request->len && r->got != t->request->len && !t->request->head &&
		r->length - t->request->from > r->got)
		bad = err_set(t->e, ERR_MISMATCH, "%ju bytes of the %ju asked for",
			(uintmax_t)r->got, (uintmax_t)t->request->len);
	curl_slist_free_all(headers);
	return bad;
}

int http_get(struct http_response *response, const struct http_request *request, struct err *e)
{
	struct transfer t = { .request = request, .response = response, .e = e };
	struct arena shown = ARENA(SHOWN_MAX);
	struct url url;

	*response = (struct http_response){ .length = UINT64_MAX };
	if (url_parse(&url, str_from(request->url), e))
		return e->code;
	const char *name = url_shown(&shown, &url);
	int bad = 0;
	if (!url_scheme_is(&url, "http") && !url_scheme_is(&url, "https"))
		bad = err_set(e, ERR_UNSUPPORTED, "neither http nor https");
	else if (!url.host.len)
		bad = err_set(e, ERR_FORMAT, "no host in the URL");
	else if (request->trust && request->trust->only_date && !request->head)
		bad = err_set(e, ERR_BUG, "a body from nobody knows whom");
	if (!bad) {
		t.curl = request->session ? (CURL *)request->session : (CURL *)http_session_open();
		bad = perform(&t, &url);
		if (!request->session)
			curl_easy_cleanup(t.curl);
	}
	if (bad)
		err_wrap(e, "%s", name);
	arena_free(&shown);
	return bad;
}

static int into_buf(void *ctx, struct span bytes, struct err *e)
{
	return buf_add(ctx, bytes.p, bytes.len, e);
}

int http_get_buf(struct buf *body, struct http_response *response,
	const struct http_request *request, unsigned deadline_ms, struct err *e)
{
	const int64_t end = monotonic_ms() + deadline_ms;
	struct http_request q = *request;

	q.sink = into_buf;
	q.ctx = body;
	q.cap = body->max;
	for (unsigned n = 1;; n++) {
		const int64_t left = end - monotonic_ms();
		if (!q.total_ms || left < q.total_ms)
			q.total_ms = left > 1 ? (unsigned)left : 1;
		buf_clear(body);
		const int bad = http_get(response, &q, e);
		if (!bad || !retry_worth(e->code, response->status))
			return bad;
		struct timespec t;
		clock_gettime(CLOCK_MONOTONIC, &t);
		const unsigned wait =
			retry_wait_ms(n, response->retry_ms, (unsigned)t.tv_nsec >> 4);
		if (monotonic_ms() + wait >= end)
			return bad;
		t = (struct timespec){ wait / 1000, (long)(wait % 1000) * 1000000 };
		nanosleep(&t, NULL);
	}
}
