#include "source/ec2_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "net/http.h"
#include "os/clock.h"
#include "source/credentials.h"

enum { FORM_MAX = 1 << 20, CALL_MS = 120000, EACH_MS = 30000, SKEW_S = 240 };

#define VERSION_OF_API "2016-11-15"

void ec2_add(struct ec2_form *f, const char *value, const char *name, ...)
{
	char key[128];
	va_list ap;

	va_start(ap, name);
	vsnprintf(key, sizeof key, name, ap);
	va_end(ap);
	if (!f->bad)
		f->bad = buf_print(&f->text, f->e, "%s%s=", f->text.len ? "&" : "", key);
	for (const char *c = value; *c && !f->bad; c++) {
		if (ascii_is_word(*c) || strchr("-._~", *c))
			f->bad = buf_add(&f->text, c, 1, f->e);
		else
			f->bad = buf_print(&f->text, f->e, "%%%02X", (unsigned char)*c);
	}
}

struct ec2_form ec2_form(const char *action, struct err *e)
{
	struct ec2_form f = { .action = action, .text = BUF(FORM_MAX), .e = e };

	ec2_add(&f, action, "Action");
	ec2_add(&f, VERSION_OF_API, "Version");
	return f;
}

static bool among(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (!strcmp(word, *words))
			return true;
	}
	return false;
}

static const char *const stale[] = { "RequestExpired", "ExpiredToken", "ExpiredTokenException",
	"AuthFailure", "SignatureDoesNotMatch", "InvalidClientTokenId", "InvalidSignatureException",
	"UnrecognizedClientException", NULL };
static const char *const busy[] = { "RequestLimitExceeded", "Throttling", "ThrottlingException",
	"Unavailable", "ServiceUnavailable", "InternalError", "InternalFailure", NULL };

/* How far this machine's clock is ahead of EC2's; 0: not too far, or not known. */
static int64_t skew_of(const struct http_response *r)
{
	const int64_t skew = r->date ? (int64_t)time(NULL) - r->date : 0;

	return skew > SKEW_S || skew < -SKEW_S ? skew : 0;
}

/* A refusal in one line that says what to change; e has what the transfer says of it. */
static int refused(
	struct ec2 *ec2, const char *action, const struct http_response *r, struct err *e)
{
	char message[256];

	ec2_read_refusal(ec2->refusal, message,
		(struct span){ (const uint8_t *)r->refusal, strlen(r->refusal) });
	const char *code = ec2->refusal;
	const struct str id = str_from(code);
	if (!*code)
		return err_wrap(e, "EC2 %s", action);
	if (!strcmp(code, "UnauthorizedOperation") || !strcmp(code, "AccessDenied"))
		return err_set(e, ERR_AUTH,
			"EC2 does not let us %s: add the right ec2:%s to the policy of the "
			"credentials (%s)",
			action, action, ec2->credentials->from);
	if (among(code, stale)) {
		const int64_t skew = skew_of(r);
		if (skew)
			return err_set(e, ERR_AUTH,
				"EC2 %s: %s: this machine's clock is %" PRId64
				" seconds %s; set it (date)",
				action, code, skew < 0 ? -skew : skew,
				skew < 0 ? "behind" : "ahead");
		return err_set(e, ERR_AUTH, "EC2 %s: %s: %s; the credentials are from: %s", action,
			code, message, ec2->credentials->from);
	}
	if (among(code, busy))
		return err_set(e, ERR_NET, "EC2 %s: %s: %s", action, code, message);
	if (str_ends(id, STR(".NotFound")) || str_ends(id, STR(".Malformed")))
		return err_set(e, ERR_NOTFOUND, "EC2 %s: %s", action, message);
	return err_set(e, ERR_DECLINED, "EC2 %s: %s: %s", action, code, message);
}

static int login(struct http_auth *auth, struct ec2 *ec2, bool anew, struct err *e)
{
	struct credentials *c = ec2->credentials;

	if ((anew || c->kind == CREDENTIALS_UNKNOWN || !credentials_last(c, time(NULL))) &&
		credentials_get(c, ec2->ways, e))
		return e->code;
	if (c->kind == CREDENTIALS_NONE)
		return err_set(e, ERR_AUTH,
			"EC2 takes no requests without credentials; give the instance a role");
	*auth = (struct http_auth){ .kind = HTTP_AUTH_SIGV4,
		.user = c->access,
		.secret = c->secret,
		.session = *c->session ? c->session : NULL,
		.region = ec2->region,
		.service = "ec2" };
	return 0;
}

/* In the image the clock is nobody else's, and without it nothing can be signed. */
static bool set_clock(struct ec2 *ec2, const struct http_response *r)
{
	const int64_t skew = skew_of(r);
	int64_t off_ms;
	struct err e;

	if (!ec2->settings->image || ec2->clocked || !skew)
		return false;
	ec2->clocked = true;
	if (clock_step(&off_ms, r->date * 1000, &e)) {
		event_warning(ec2->settings->listener, "ebs", "%s", e.text);
		return false;
	}
	event_warning(ec2->settings->listener, "ebs",
		"the clock was %" PRId64 " seconds %s that of EC2 and is set to it",
		skew < 0 ? -skew : skew, skew < 0 ? "behind" : "ahead of");
	return true;
}

int ec2_ask(struct buf *answer, struct ec2 *ec2, struct ec2_form *form, struct err *e)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL
	};
	struct http_response r = { 0 };
	struct http_auth auth;
	int bad = form->bad;

	*ec2->refusal = 0;
	for (int round = 0; !bad && round < 2; round++) {
		bad = login(&auth, ec2, round > 0, e);
		if (bad)
			break;
		const struct http_request q = { .url = ec2->endpoint,
			.method = "POST",
			.body = buf_span(&form->text),
			.auth = &auth,
			.trust = ec2->settings->trust,
			.proxy = ec2->settings->proxy,
			.session = ec2->session,
			.headers = headers,
			.stay = true,
			.total_ms = EACH_MS };
		bad = http_get_buf(answer, &r, &q, CALL_MS, e);
		if (!bad)
			break;
		bad = r.status ? refused(ec2, form->action, &r, e)
			       : err_wrap(e, "EC2 %s", form->action);
		if (!among(ec2->refusal, stale))
			break;
		if (set_clock(ec2, &r)) {
			round = -1;
			bad = 0;
		} else if (round == 0 && ec2->credentials->kind != CREDENTIALS_ENV) {
			bad = 0;
		}
	}
	buf_free(&form->text);
	return bad;
}
