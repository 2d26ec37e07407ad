/* What a refusal means, in one line that says what to change. */
#include "source/s3.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "os/clock.h"

enum { PIECE = 8 };

bool s3_is_code(const struct s3 *s, const char *code)
{
	return !strcmp(s->refusal.code, code);
}

bool s3_has_expired(const struct s3 *s)
{
	return s3_is_code(s, "ExpiredToken") || s3_is_code(s, "ExpiredTokenException") ||
	       s3_is_code(s, "TokenRefreshRequired");
}

void s3_say_span(char *text, size_t size, int64_t seconds)
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
	s3_say_span(span, sizeof span, behind < 0 ? -behind : behind);
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
		err_set(e, ERR_AUTH, "%s may not be %s %s (AccessDenied)", s->object,
			s->writes ? "written" : "read", how);
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

	if (s3_is_code(s, "SignatureDoesNotMatch"))
		err_set(e, ERR_AUTH,
			"the secret key from %s does not belong to its access key%s%s, says %s "
			"(SignatureDoesNotMatch)",
			s->credentials.from, *last ? " ..." : "", last, s->shown);
	else if (s3_is_code(s, "InvalidToken"))
		err_set(e, ERR_AUTH,
			"%s refuses the session token from %s (InvalidToken); a user's own key has "
			"none",
			s->shown, s->credentials.from);
	else if (s3_has_expired(s))
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
	       (s3_is_code(s, "NoSuchKey") || s3_is_code(s, "NoSuchVersion") ||
		       s3_is_code(s, "InvalidVersionId") ||
		       (s3_is_code(s, "InvalidArgument") &&
			       strcasestr(s->refusal.message, "version")));
}

/* By what the server calls it; false: it calls it nothing known. */
static bool explain_code(struct s3 *s, struct err *e)
{
	const char *bucket = s->address.bucket;

	if (s3_is_code(s, "NoSuchBucket"))
		err_set(e, ERR_NOTFOUND, "there is no bucket '%s' at %s", bucket, s->shown);
	else if (lacks_version(s))
		err_set(e, ERR_NOTFOUND, "%s has no version '%s'", s->object, s->address.version);
	else if (s3_is_code(s, "NoSuchKey") || s3_is_code(s, "NoSuchVersion"))
		err_set(e, ERR_NOTFOUND, "bucket '%s' has no object %s", bucket,
			*s->object ? s->object : "of that name");
	else if (s3_is_code(s, "AccessDenied"))
		explain_denied(s, e);
	else if (s3_is_code(s, "RequestTimeTooSkewed"))
		explain_skew(s, e);
	else if (s3_is_code(s, "SignatureDoesNotMatch") || s3_is_code(s, "InvalidAccessKeyId") ||
		 s3_is_code(s, "InvalidClientTokenId") || s3_is_code(s, "XAdminUserNotFound") ||
		 s3_is_code(s, "InvalidToken") || s3_has_expired(s))
		explain_key(s, e);
	else if (s3_is_code(s, "InvalidObjectState"))
		err_set(e, ERR_UNSUPPORTED,
			"%s lies in an archive (Glacier); restore it first: aws s3api "
			"restore-object",
			*s->object ? s->object : "the object");
	else if (*s->object && s->status == 405 && s3_is_code(s, "MethodNotAllowed"))
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
	else if (s->status == 301 || s->status == 307 ||
		 s3_is_code(s, "AuthorizationHeaderMalformed"))
		explain_region(s, e);
	else if (*s->refusal.code)
		explain_other(s, e);
	else if (s->status == 403 && *s->object)
		explain_denied(s, e);
	else if (s->status == 404)
		err_set(e, ERR_NOTFOUND, "%s answers that there is no %s (status 404)", s->shown,
			*s->object ? s->object : s->address.bucket);
}
