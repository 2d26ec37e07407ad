/* A question to the bucket, and what its refusals mean. */
#include "source/s3.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "net/imds.h"
#include "os/clock.h"

enum { FIRST_MS = 20000, LATER_MS = 60000, URL_ROOM = 64 << 10, PIECE = 8 };

static bool is_code(const struct s3 *s, const char *code)
{
	return !strcmp(s->refusal.code, code);
}

static bool has_expired(const struct s3 *s)
{
	return is_code(s, "ExpiredToken") || is_code(s, "ExpiredTokenException") ||
	       is_code(s, "TokenRefreshRequired");
}

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

/* "1 h 2 min", for a person who looks at two clocks. */
static void say_span(char *text, size_t size, int64_t seconds)
{
	const long long t = seconds;

	if (t >= 2 * 86400)
		snprintf(text, size, "%lld days", t / 86400);
	else if (t >= 3600)
		snprintf(text, size, "%lld h %lld min", t / 3600, t % 3600 / 60);
	else if (t >= 60)
		snprintf(text, size, "%lld min %lld s", t / 60, t % 60);
	else
		snprintf(text, size, "%lld s", t);
}

static void explain_skew(struct s3 *s, struct err *e)
{
	const int64_t behind = s->date - time(NULL);
	char span[64], date[32];

	if (!s->date) {
		err_set(e, ERR_AUTH,
			"the clock of this machine is wrong, says %s, without saying the time",
			s->shown);
		return;
	}
	say_span(span, sizeof span, behind < 0 ? -behind : behind);
	clock_print(date, s->date);
	err_set(e, ERR_AUTH,
		"this machine's clock is %s %s that of %s, too far for a signature; if the server "
		"is right, set it with: date -u -s '%.19s'",
		span, behind < 0 ? "ahead of" : "behind", s->shown, date);
}

/* Does the text hold a piece of the secret?  It may have been cut on its way. */
static bool reveals(const char *text, const char *secret)
{
	char piece[PIECE + 1];

	for (size_t i = 0; i + PIECE <= strlen(secret); i++) {
		memcpy(piece, secret + i, PIECE);
		piece[PIECE] = 0;
		if (strstr(text, piece))
			return true;
	}
	return false;
}

/* Whoever was told a secret may give it back: nothing of that is kept. */
static void forget_secrets(char *said, const struct s3 *s)
{
	const char *key = strchr(s->sse[1], ' ');

	if (reveals(said, s->credentials.secret) || reveals(said, s->credentials.session) ||
		(key && reveals(said, key + 1)))
		*said = 0;
}

static const char *key_shown(const struct s3 *s)
{
	const size_t len = strlen(s->credentials.access);

	return len > 12 ? s->credentials.access + len - 4 : "";
}

static void explain_other(const struct s3 *s, struct err *e)
{
	const char *said = s->refusal.message;
	const enum err_code code = s->status == 403 || s->status == 401 ? ERR_AUTH
				   : s->status == 404                   ? ERR_NOTFOUND
				   : s->status >= 500                   ? ERR_NET
									: ERR_MISMATCH;

	err_set(e, code, "%s refuses with %s (status %u)%s%.200s", s->shown, s->refusal.code,
		s->status, *said ? ": " : "", said);
}

static void explain_denied(const struct s3 *s, struct err *e)
{
	const char *how = s->credentials.kind == CREDENTIALS_NONE ? "without credentials"
			  : *s->credentials.session ? "with this access key and session token"
						    : "with this access key";

	if (*s->object)
		err_set(e, ERR_AUTH, "%s may not be read %s (AccessDenied)", s->object, how);
	else /* Ceph with STS says no more than this of a wrong secret key, either */
		err_set(e, ERR_AUTH,
			"bucket '%s' may not be listed %s (AccessDenied); allow s3:ListBucket, or "
			"name one object exactly if reading is allowed: s3://%s/NAME%s",
			s->address.bucket, how, s->address.bucket,
			s->credentials.kind == CREDENTIALS_NONE ? ""
								: "; or is the secret key wrong?");
}

static void explain_key(const struct s3 *s, struct err *e)
{
	const char *last = key_shown(s);

	if (is_code(s, "SignatureDoesNotMatch"))
		err_set(e, ERR_AUTH,
			"the secret key from %s does not belong to its access key%s%s, says %s "
			"(SignatureDoesNotMatch)",
			s->credentials.from, *last ? " ..." : "", last, s->shown);
	else if (is_code(s, "InvalidToken"))
		err_set(e, ERR_AUTH,
			"%s refuses the session token from %s (InvalidToken); a user's own key has "
			"none",
			s->shown, s->credentials.from);
	else if (has_expired(s))
		err_set(e, ERR_AUTH, "the session token from %s has expired; get new credentials",
			s->credentials.from);
	else
		err_set(e, ERR_AUTH,
			"%s does not know the access key%s%s from %s (%s); is it of another "
			"server?",
			s->shown, *last ? " ..." : "", last, s->credentials.from, s->refusal.code);
}

/* Servers differ much in what they call that. */
static bool lacks_version(const struct s3 *s)
{
	return s->address.version && *s->object &&
	       (is_code(s, "NoSuchKey") || is_code(s, "NoSuchVersion") ||
		       is_code(s, "InvalidVersionId") ||
		       (is_code(s, "InvalidArgument") &&
			       strcasestr(s->refusal.message, "version")));
}

/* By what the server calls it; false: it calls it nothing known. */
static bool explain_code(struct s3 *s, struct err *e)
{
	const char *bucket = s->address.bucket;

	if (is_code(s, "NoSuchBucket"))
		err_set(e, ERR_NOTFOUND, "there is no bucket '%s' at %s", bucket, s->shown);
	else if (lacks_version(s))
		err_set(e, ERR_NOTFOUND, "%s has no version '%s'", s->object, s->address.version);
	else if (is_code(s, "NoSuchKey") || is_code(s, "NoSuchVersion"))
		err_set(e, ERR_NOTFOUND, "bucket '%s' has no object %s", bucket,
			*s->object ? s->object : "of that name");
	else if (is_code(s, "AccessDenied"))
		explain_denied(s, e);
	else if (is_code(s, "RequestTimeTooSkewed"))
		explain_skew(s, e);
	else if (is_code(s, "SignatureDoesNotMatch") || is_code(s, "InvalidAccessKeyId") ||
		 is_code(s, "InvalidClientTokenId") || is_code(s, "XAdminUserNotFound") ||
		 is_code(s, "InvalidToken") || has_expired(s))
		explain_key(s, e);
	else if (is_code(s, "InvalidObjectState"))
		err_set(e, ERR_UNSUPPORTED,
			"%s lies in an archive (Glacier); restore it first: aws s3api "
			"restore-object",
			*s->object ? s->object : "the object");
	else if (*s->object && s->status == 405 && is_code(s, "MethodNotAllowed"))
		err_set(e, ERR_NOTFOUND, "that version of %s is the mark of its deletion",
			s->object);
	else if (strcasestr(s->refusal.message, "Server Side Encryption"))
		err_set(e, ERR_AUTH,
			"%s is encrypted with a key of your own (SSE-C); name its file with "
			"--sse-key (s3.sse-key in a plan)",
			*s->object ? s->object : "the object");
	else
		return false;
	return true;
}

static bool is_elsewhere(const struct s3 *s)
{
	return *s->refusal.region && strcmp(s->refusal.region, s->endpoint.region) != 0;
}

static void explain_region(const struct s3 *s, struct err *e)
{
	const char *region = s->refusal.region;

	if (is_elsewhere(s))
		err_set(e, ERR_AUTH,
			"bucket '%s' is not in region %s, but in %s, says %s; set %s (%s in a "
			"plan)",
			s->address.bucket, s->endpoint.region, region, s->shown,
			s->endpoint.aws ? "--region" : "--region and --endpoint",
			s->endpoint.aws ? "s3.region" : "s3.region and s3.endpoint");
	else
		err_set(e, ERR_AUTH,
			"%s has bucket '%s' elsewhere than in region %s (%s); set --endpoint and "
			"--region (s3.endpoint and s3.region in a plan) to where it is",
			s->shown, s->address.bucket, s->endpoint.region,
			*s->refusal.code ? s->refusal.code : "redirected");
}

static void keep(struct s3 *s, const struct http_response *r)
{
	s->status = r->status;
	s->date = r->date;
	s3_refusal_parse(&s->refusal, r);
	forget_secrets(s->refusal.code, s);
	forget_secrets(s->refusal.message, s);
	forget_secrets(s->refusal.region, s);
}

void s3_explain(void *ctx, const struct http_response *response, struct err *e)
{
	struct s3 *s = ctx;

	keep(s, response);
	if (response->status == 407 || !response->status || response->status / 100 == 2)
		return;
	if (strstr(response->refusal, "HTTPS port") || strstr(response->refusal, "HTTPS server")) {
		err_set(e, ERR_USAGE, "%s speaks TLS: write https:// in the endpoint", s->shown);
		return;
	}
	/* A balancer's own page says that the store behind it is ill. */
	if (s->refusal.web_page && s->status < 500)
		err_set(e, ERR_MISMATCH,
			"%s answers with a web page (status %u), so it is no S3 endpoint; a "
			"console often has another port than the store",
			s->shown, s->status);
	else if (explain_code(s, e))
		return;
	else if (s->status == 301 || s->status == 307 || is_code(s, "AuthorizationHeaderMalformed"))
		explain_region(s, e);
	else if (*s->refusal.code)
		explain_other(s, e);
	else if (s->status == 403 && *s->object)
		explain_denied(s, e);
	else if (s->status == 404)
		err_set(e, ERR_NOTFOUND, "%s answers that there is no %s (status 404)", s->shown,
			*s->object ? s->object : s->address.bucket);
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
	say_span(span, sizeof span, behind < 0 ? -behind : behind);
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
	if (is_code(s, "RequestTimeTooSkewed"))
		return set_clock(again, s, e);
	if (has_expired(s))
		return renew(again, s, e);
	if (s->status == 301 || s->status == 307 || s->status == 400 || s->status == 403)
		*again = move(s);
	return 0;
}

static int ask_once(struct s3 *s, struct buf *body, struct http_response *r,
	const struct s3_question *q, struct err *e)
{
	struct arena a = ARENA(URL_ROOM);
	struct http_auth auth;

	*r = (struct http_response){ 0 };
	if (s3_prepare(s, e) || s3_auth(s, &auth, false, e))
		return e->code;
	const struct http_request request = {
		.url = s3_endpoint_url(&a, &s->endpoint, s->address.bucket, q->key, q->query),
		.auth = auth.kind ? &auth : NULL,
		.headers = q->first_byte ? s->sse_headers : NULL,
		.trust = s->settings->trust,
		.proxy = s->settings->proxy,
		.session = s->session,
		.stay = true,
		.len = q->first_byte,
	};
	const int bad = http_get_buf(body, r, &request, s->answered ? LATER_MS : FIRST_MS, e);
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
