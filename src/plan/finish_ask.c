#include "plan/finish_ask.h"

#include <stdio.h>

#include "base/ascii.h"

enum { CONNECT_MS = 5000, TOTAL_MS = 20000, SAID = 300 };

static int take(void *ctx, struct span bytes, struct err *e)
{
	return buf_add(ctx, bytes.p, bytes.len, e);
}

int finish_ask(struct buf *out, unsigned *status, const struct finish_peer *peer,
	const struct finish_question *q, struct err *e)
{
	char type[96];
	const char *const headers[] = { "Accept: application/json", type, NULL };
	const struct http_auth auth = { .kind = HTTP_AUTH_BEARER, .secret = peer->token };
	const struct http_request request = {
		.url = q->url,
		.method = q->method,
		.body = { (const uint8_t *)q->body.p, q->body.len },
		.trust = peer->trust.anchors.len ? &peer->trust : NULL,
		.auth = peer->token ? &auth : NULL,
		.connect_to = peer->connect_to,
		.proxy = "",
		.session = peer->session,
		.headers = headers,
		.stay = true,
		.cap = FINISH_ANSWER_MAX,
		.connect_ms = CONNECT_MS,
		.total_ms = TOTAL_MS,
		.sink = take,
		.ctx = out,
	};
	struct http_response r;

	snprintf(type, sizeof type, "Content-Type: %s", q->type ? q->type : "application/json");
	buf_clear(out);
	const int bad = http_get(&r, &request, e);
	*status = r.status;
	if (bad && r.status >= 400 && *r.refusal) {
		struct err why = *e;
		err_set(e, why.code, "%s: %.*s", why.text, SAID, r.refusal);
	}
	return bad;
}
