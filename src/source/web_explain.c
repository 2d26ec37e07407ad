/* Why a web server refuses, told from its answer and from the address. */
#include <string.h>
#include <time.h>

#include "codec/rfc3339.h"
#include "source/web.h"

/* The value of `name` in the query; empty where there is none. */
static struct str parameter(const struct web *w, const char *name)
{
	struct str part, key, value, rest = w->url.query;

	while (str_next(&part, &rest, '&')) {
		if (str_cut(&key, &value, part, '=') && str_is(key, name))
			return value;
	}
	return (struct str){ NULL, 0 };
}

/* "20260101T120000Z" */
static bool compact_time(int64_t *seconds, struct str s)
{
	char text[32];

	if (s.len != 16)
		return false;
	memcpy(text, s.p, 4);
	text[4] = text[7] = '-';
	memcpy(text + 5, s.p + 4, 2);
	memcpy(text + 8, s.p + 6, 5);
	text[13] = text[16] = ':';
	memcpy(text + 14, s.p + 11, 2);
	memcpy(text + 17, s.p + 13, 3);
	return rfc3339_parse(seconds, (struct str){ text, 20 });
}

/* Until when the address is good, by what stands in it; 0: it does not say. */
static int64_t good_until(const struct web *w)
{
	int64_t from;
	uint64_t span;

	if (compact_time(&from, parameter(w, "X-Amz-Date")) &&
		str_u64(&span, parameter(w, "X-Amz-Expires"), 10, 100000000))
		return from + (int64_t)span;
	if (compact_time(&from, parameter(w, "X-Goog-Date")) &&
		str_u64(&span, parameter(w, "X-Goog-Expires"), 10, 100000000))
		return from + (int64_t)span;
	if (str_u64(&span, parameter(w, "Expires"), 10, INT64_MAX / 2))
		return (int64_t)span;
	return 0;
}

static bool is_presigned(const struct web *w)
{
	static const char *const names[] = { "X-Amz-Signature", "X-Goog-Signature", "Signature",
		"sig" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (parameter(w, names[i]).len)
			return true;
	}
	return false;
}

static void explain_presigned(const struct web *w, const struct http_response *r, struct err *e)
{
	char time_text[RFC3339_SIZE];
	const int64_t until = good_until(w), now = r->date ? r->date : (int64_t)time(NULL);

	if (until && now > until) {
		rfc3339_format(time_text, until);
		err_set(e, ERR_AUTH,
			"%s: the presigned address was good until %s and has expired: make a new "
			"one",
			w->asked, time_text);
	} else if (strcasestr(r->refusal, "expired")) {
		err_set(e, ERR_AUTH, "%s: the presigned address has expired: make a new one",
			w->asked);
	} else if (strstr(r->refusal, "SignatureDoesNotMatch")) {
		err_set(e, ERR_AUTH,
			"%s: the presigned address is not as it was signed: it was cut or changed "
			"(an & that the shell took?), or is not for GET",
			w->asked);
	} else {
		err_set(e, ERR_AUTH,
			"%s: the server refuses the presigned address (status %u): make a new one, "
			"with a key that may read this object",
			w->asked, r->status);
	}
}

static void explain_unauthorized(const struct web *w, struct err *e)
{
	if (w->auth.kind == HTTP_AUTH_NONE)
		err_set(e, ERR_AUTH,
			"%s: the server wants a user and password, or a token (status 401): name "
			"them in https.user and https.secret",
			w->asked);
	else
		err_set(e, ERR_AUTH, "%s: the server does not accept the %s (status 401): check %s",
			w->asked, w->auth.kind == HTTP_AUTH_BASIC ? "user and password" : "token",
			w->auth.kind == HTTP_AUTH_BASIC ? "https.user and https.secret"
							: "https.secret");
}

void web_explain(void *ctx, const struct http_response *r, struct err *e)
{
	const struct web *w = ctx;
	const bool cert = w->settings->trust && w->settings->trust->cert.len;

	if (r->status == 401 && !is_presigned(w)) {
		explain_unauthorized(w, e);
	} else if ((r->status == 403 || r->status == 401 || r->status == 400) && is_presigned(w)) {
		explain_presigned(w, r, e);
	} else if (r->status == 400 && strstr(r->refusal, "SSL certificate was sent")) {
		err_set(e, ERR_AUTH,
			"%s: the server wants a client certificate: name it in https.client-cert "
			"and https.client-key",
			w->asked);
	} else if (r->status == 400 && strstr(r->refusal, "SSL certificate error")) {
		err_set(e, ERR_AUTH,
			"%s: the server does not accept our client certificate: is it still valid, "
			"and of an authority the server knows? (https.client-cert)",
			w->asked);
	} else if (r->status == 403) {
		err_set(e, ERR_AUTH, "%s: the server does not let %s read this (status 403)%s",
			w->asked,
			w->auth.user ? "this user"
			: cert       ? "us"
				     : "just anybody",
			w->auth.kind || cert ? ""
					     : ": name a user in https.user, or a certificate");
	}
}
