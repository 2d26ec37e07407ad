#include "net/http.h"

#include <time.h>

#include "base/arena.h"
#include "base/monotonic.h"
#include "net/retry.h"
#include "net/transfer.h"

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

int http_get(struct http_response *response, const struct http_request *request, struct err *e)
{
	struct transfer t;
	CURLcode code = CURLE_OK;
	CURL *curl = request->session ? (CURL *)request->session : (CURL *)http_session_open();

	e->code = ERR_OK;
	if (!transfer_begin(&t, curl, request, response, e))
		code = curl_easy_perform(curl);
	transfer_end(&t, code);
	if (!request->session)
		curl_easy_cleanup(curl);
	return e->code;
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
