/* A question to the bucket, and what can be put right when it is refused. */
#include "source/s3.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/monotonic.h"
#include "net/imds.h"
#include "net/retry.h"
#include "os/clock.h"

enum { FIRST_MS = 20000, LATER_MS = 60000, URL_ROOM = 64 << 10 };

int s3_auth(void *ctx, struct http_auth *auth, bool expired, struct err *e)
{
	struct s3 *s = ctx;
	struct credentials *c = &s->credentials;

	if ((!c->kind || expired || !credentials_last(c, time(NULL))) &&
		credentials_get(c, &s->how, e))
		return e->code;
	if (c->kind == CREDENTIALS_NONE) {
		*auth = (struct http_auth){ 0 };
		return 0;
	}
	*auth = (struct http_auth){ .kind = HTTP_AUTH_SIGV4,
		.user = c->access,
		.secret = c->secret,
		.session = *c->session ? c->session : NULL,
		.region = s->endpoint.region,
		.service = "s3" };
	return 0;
}

int s3_prepare(struct s3 *s, struct err *e)
{
	struct imds_identity id;
	struct http_auth auth;
	struct imds imds;
	struct err ignored;

	if (s3_auth(s, &auth, false, e))
		return e->code;
	/* In a network of its own it reaches only the store of its region. */
	if (!s->asks_region || s->credentials.kind != CREDENTIALS_IMDS)
		return 0;
	s->asks_region = false;
	if (imds_open(&imds, NULL, &ignored))
		return 0;
	if (!imds_identity(&id, &imds, &ignored) && s3_region_is_one(str_from(id.region))) {
		s3_endpoint_move(&s->endpoint, &s->arena, str_from(id.region));
		s->shown = s3_endpoint_shown(&s->arena, &s->endpoint);
	}
	imds_close(&imds);
	return 0;
}

static bool move(struct s3 *s)
{
	const struct str region = str_from(s->refusal.region);

	if (s->moved || !s3_region_is_one(region) || str_is(region, s->endpoint.region))
		return false;
	s->moved = true;
	event_info(s->settings->listener, "s3", "bucket '%s' is in region %s, not %s; asking there",
		s->address.bucket, s->refusal.region, s->endpoint.region);
	s3_endpoint_move(&s->endpoint, &s->arena, region);
	s->shown = s3_endpoint_shown(&s->arena, &s->endpoint);
	return true;
}

static int set_clock(bool *again, struct s3 *s, struct err *e)
{
	const int64_t behind = s->date - time(NULL);
	char span[64], date[32];
	int64_t off_ms;

	if (!s->settings->image || s->clocked || !s->date)
		return 0;
	s->clocked = true;
	if (clock_step(&off_ms, s->date * 1000, e))
		return e->code;
	s3_say_span(span, sizeof span, behind < 0 ? -behind : behind);
	clock_print(date, s->date);
	event_warning(s->settings->listener, "s3",
		"the clock was %s %s that of %s and is set to it: %s", span,
		behind < 0 ? "ahead of" : "behind", s->shown, date);
	*again = true;
	return 0;
}

static int renew(bool *again, struct s3 *s, struct err *e)
{
	struct credentials *c = &s->credentials;
	char before[sizeof c->access];

	memcpy(before, c->access, sizeof before);
	if (c->kind == CREDENTIALS_NONE || c->kind == CREDENTIALS_ENV)
		return 0;
	if (credentials_get(c, &s->how, e))
		return e->code;
	*again = strcmp(before, c->access) != 0;
	return 0;
}

int s3_heal(bool *again, struct s3 *s, struct err *e)
{
	*again = false;
	if (s3_is_code(s, "RequestTimeTooSkewed"))
		return set_clock(again, s, e);
	if (s3_has_expired(s))
		return renew(again, s, e);
	if (s->status == 301 || s->status == 307 || s->status == 400 || s->status == 403)
		*again = move(s);
	return 0;
}

static int into_buf(void *ctx, struct span bytes, struct err *e)
{
	return buf_add(ctx, bytes.p, bytes.len, e);
}

/* As http_get_buf, but whoever waits is told why. */
static int ask_again_and_again(struct s3 *s, struct buf *body, struct http_response *r,
	struct http_request *q, unsigned deadline_ms, struct err *e)
{
	const unsigned usual_ms = s->answered ? LATER_MS : FIRST_MS;
	const int64_t end = monotonic_ms() + (deadline_ms ? deadline_ms : usual_ms);

	q->sink = into_buf;
	q->ctx = body;
	q->cap = body->max;
	for (unsigned n = 1;; n++) {
		const int64_t left = end - monotonic_ms();
		q->total_ms = left > 1 ? (unsigned)left : 1;
		buf_clear(body);
		const int bad = http_get(r, q, e);
		if (!bad || !retry_worth(e->code, r->status))
			return bad;
		const unsigned wait = retry_wait_ms(n, r->retry_ms, (unsigned)monotonic_ms());
		if (monotonic_ms() + wait >= end)
			return bad;
		event_info(s->settings->listener, "s3", "%s; trying again", e->text);
		const struct timespec t = { wait / 1000, (long)(wait % 1000) * 1000000 };
		nanosleep(&t, NULL);
	}
}

static int ask_once(struct s3 *s, struct buf *body, struct http_response *r,
	const struct s3_question *q, struct err *e)
{
	struct arena a = ARENA(URL_ROOM);
	struct http_auth auth;

	*r = (struct http_response){ 0 };
	if (s3_prepare(s, e) || s3_auth(s, &auth, false, e))
		return e->code;
	struct http_request request = {
		.url = s3_endpoint_url(&a, &s->endpoint, s->address.bucket, q->key, q->query),
		.auth = auth.kind ? &auth : NULL,
		.method = q->method,
		.body = q->body,
		.headers = q->first_byte ? s->sse_headers : q->headers,
		.trust = s->settings->trust,
		.proxy = s->settings->proxy,
		.session = s->session,
		.stay = true,
		.len = q->first_byte,
	};
	const int bad = ask_again_and_again(s, body, r, &request, q->deadline_ms, e);
	s->answered |= r->status != 0;
	arena_free(&a);
	return bad;
}

int s3_ask(struct s3 *s, struct buf *body, struct http_response *r, const struct s3_question *q,
	struct err *e)
{
	bool again = true;
	int bad = 0;

	for (int round = 0; again && round < 4; round++) {
		struct err why = { 0 };
		bad = ask_once(s, body, r, q, e);
		if (!bad || !r->status || r->status / 100 == 2)
			return bad;
		s3_explain(s, r, e);
		bad = (int)e->code;
		if (s3_heal(&again, s, &why)) {
			*e = why;
			return e->code;
		}
	}
	return bad;
}
