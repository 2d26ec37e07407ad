#include "source/ec2.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "net/http.h"
#include "net/url.h"
#include "os/clock.h"
#include "source/credentials.h"

enum { ANSWER_MAX = 8 << 20, FORM_MAX = 1 << 20, LISTED_MAX = 10000, PAGE = 500 };
enum { CALL_MS = 120000, EACH_MS = 30000, SKEW_S = 240 };
/* A page may be empty and have another one behind it, but not for ever. */
enum { PAGES_MAX = 1000 };

#define VERSION_OF_API "2016-11-15"

/* The parameters of a call; every name and value percent-encoded. */
struct form {
	struct buf text;
	struct err *e;
	int bad;
};

static void add(struct form *f, const char *value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct form *f, const char *value, const char *name, ...)
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

static struct form begin(const char *action, struct err *e)
{
	struct form f = { .text = BUF(FORM_MAX), .e = e };

	add(&f, action, "Action");
	add(&f, VERSION_OF_API, "Version");
	return f;
}

int ec2_open(struct ec2 *ec2, const struct source_settings *settings,
	const struct credentials_settings *ways, struct credentials *credentials,
	const char *region, struct err *e)
{
	const char *endpoint = settings->ebs.endpoint;
	struct url url;

	*ec2 = (struct ec2){ .settings = settings, .ways = ways, .credentials = credentials };
	for (const char *c = region; *c; c++) {
		if (!ascii_is_word(*c) && *c != '-')
			return err_set(e, ERR_USAGE, "this is no name of a region: %s", region);
	}
	if (snprintf(ec2->region, sizeof ec2->region, "%s", region) >= (int)sizeof ec2->region)
		return err_set(e, ERR_USAGE, "this is no name of a region: %s", region);
	if (!endpoint && !settings->image && !(endpoint = getenv("AWS_ENDPOINT_URL_EC2")))
		endpoint = getenv("AWS_ENDPOINT_URL");
	if (endpoint && *endpoint) {
		struct str text = str_from(endpoint);
		while (text.len && text.p[text.len - 1] == '/')
			text.len--;
		if (url_parse(&url, text, e))
			return err_wrap(e, "endpoint of EC2");
		if (!url.host.len || url.has_userinfo || url.has_query ||
			(!url_scheme_is(&url, "https") && !url_scheme_is(&url, "http")) ||
			text.len >= sizeof ec2->endpoint - 1)
			return err_set(e, ERR_USAGE,
				"endpoint of EC2: not of the form https://HOST[:PORT]");
		snprintf(ec2->endpoint, sizeof ec2->endpoint, "%.*s/", STR_ARG(text));
	} else {
		snprintf(ec2->endpoint, sizeof ec2->endpoint, "https://ec2.%s.amazonaws.com%s/",
			region, str_starts(str_from(region), STR("cn-")) ? ".cn" : "");
	}
	ec2->session = http_session_open();
	return 0;
}

void ec2_close(struct ec2 *ec2)
{
	if (ec2->session)
		http_session_close(ec2->session);
	*ec2 = (struct ec2){ 0 };
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

/* Make the call; the form is given back.  Keys that have become stale are renewed once. */
static int call(
	struct buf *answer, struct ec2 *ec2, const char *action, struct form *form, struct err *e)
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
		bad = r.status ? refused(ec2, action, &r, e) : err_wrap(e, "EC2 %s", action);
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

/* In a filter's value '*' and '?' stand for any text; we mean what we say. */
static void add_filter(struct form *f, unsigned filter, unsigned value, const char *text)
{
	struct buf plain CLEAN_BUF = BUF(4096);

	for (const char *c = text; *c && !f->bad; c++) {
		if (strchr("*?\\", *c))
			f->bad = buf_add(&plain, "\\", 1, f->e);
		if (!f->bad)
			f->bad = buf_add(&plain, c, 1, f->e);
	}
	if (!f->bad)
		f->bad = buf_add(&plain, "", 1, f->e);
	if (!f->bad)
		add(f, (const char *)plain.p, "Filter.%u.Value.%u", filter, value);
}

static void add_filters(struct form *f, const struct ec2_filter *filters, size_t n)
{
	unsigned number = 0;

	for (size_t i = 0; i < n; i++) {
		size_t first = 0;
		while (strcmp(filters[first].name, filters[i].name))
			first++;
		if (first < i)
			continue; /* went with the first of that name */
		add(f, filters[i].name, "Filter.%u.Name", ++number);
		unsigned value = 0;
		for (size_t k = i; k < n; k++) {
			if (!strcmp(filters[k].name, filters[i].name))
				add_filter(f, number, ++value, filters[k].value);
		}
	}
}

static struct form begin_list(const char *action, const char *id_name, const char *id,
	const struct ec2_filter *filters, size_t n, const char *page, struct err *e)
{
	struct form f = begin(action, e);

	if (id) { /* with an id there are no pages */
		add(&f, id, "%s", id_name);
		return f;
	}
	char size[16];
	snprintf(size, sizeof size, "%d", PAGE);
	add(&f, size, "MaxResults");
	if (page)
		add(&f, page, "NextToken");
	add_filters(&f, filters, n);
	return f;
}

int ec2_snapshots(struct ec2_snapshot **v, size_t *n, struct ec2 *ec2, struct arena *a,
	const char *id, const struct ec2_filter *filters, size_t n_filters, struct err *e)
{
	const char *page = NULL;
	unsigned pages = 0;
	int bad = 0;

	*v = NULL;
	*n = 0;
	do {
		struct buf answer CLEAN_BUF = BUF(ANSWER_MAX);
		struct ec2_snapshot *some;
		size_t n_some = 0;
		struct form f = begin_list(
			"DescribeSnapshots", "SnapshotId.1", id, filters, n_filters, page, e);
		/* What strangers share in public may be called anything. */
		if (!id)
			add(&f, "self", "Owner.1");
		bad = call(&answer, ec2, "DescribeSnapshots", &f, e);
		if (!bad)
			bad = ec2_read_snapshots(&some, &n_some, &page, a, buf_span(&answer), e);
		if (!bad && (*n + n_some > LISTED_MAX || ++pages > PAGES_MAX))
			bad = err_set(e, ERR_SPACE,
				"more than %d EBS snapshots fit; name more tags", LISTED_MAX);
		if (!bad && n_some) {
			struct ec2_snapshot *all = arena_array(a, *n + n_some, sizeof *all);
			if (*n)
				memcpy(all, *v, *n * sizeof *all);
			memcpy(all + *n, some, n_some * sizeof *all);
			*v = all;
			*n += n_some;
		}
	} while (!bad && page);
	return bad;
}

int ec2_volumes(struct ec2_volume **v, size_t *n, struct ec2 *ec2, struct arena *a, const char *id,
	const struct ec2_filter *filters, size_t n_filters, struct err *e)
{
	const char *page = NULL;
	unsigned pages = 0;
	int bad = 0;

	*v = NULL;
	*n = 0;
	do {
		struct buf answer CLEAN_BUF = BUF(ANSWER_MAX);
		struct ec2_volume *some;
		size_t n_some = 0;
		struct form f = begin_list(
			"DescribeVolumes", "VolumeId.1", id, filters, n_filters, page, e);
		bad = call(&answer, ec2, "DescribeVolumes", &f, e);
		if (!bad)
			bad = ec2_read_volumes(&some, &n_some, &page, a, buf_span(&answer), e);
		if (!bad && (*n + n_some > LISTED_MAX || ++pages > PAGES_MAX))
			bad = err_set(e, ERR_SPACE, "more than %d EBS volumes fit; name more tags",
				LISTED_MAX);
		if (!bad && n_some) {
			struct ec2_volume *all = arena_array(a, *n + n_some, sizeof *all);
			if (*n)
				memcpy(all, *v, *n * sizeof *all);
			memcpy(all + *n, some, n_some * sizeof *all);
			*v = all;
			*n += n_some;
		}
	} while (!bad && page);
	return bad;
}

int ec2_create_volume(
	char id[EC2_ID], struct ec2 *ec2, const struct ec2_order *order, struct err *e)
{
	struct buf answer CLEAN_BUF = BUF(ANSWER_MAX);
	struct form f = begin("CreateVolume", e);
	char iops[24];

	add(&f, order->snapshot, "SnapshotId");
	add(&f, order->zone, "AvailabilityZone");
	add(&f, order->type ? order->type : "gp3", "VolumeType");
	if (order->iops) {
		snprintf(iops, sizeof iops, "%" PRIu64, order->iops);
		add(&f, iops, "Iops");
	}
	add(&f, order->token, "ClientToken");
	add(&f, "volume", "TagSpecification.1.ResourceType");
	for (size_t i = 0; i < order->n_tags; i++) {
		add(&f, order->tags[i].name, "TagSpecification.1.Tag.%zu.Key", i + 1);
		add(&f, order->tags[i].value, "TagSpecification.1.Tag.%zu.Value", i + 1);
	}
	if (call(&answer, ec2, "CreateVolume", &f, e)) {
		if (!strcmp(ec2->refusal, "UnauthorizedOperation"))
			err_set(e, ERR_AUTH,
				"EC2 does not let us CreateVolume: add the rights ec2:CreateVolume "
				"and "
				"ec2:CreateTags (for new volumes) to the policy of the credentials "
				"(%s)",
				ec2->credentials->from);
		return e->code;
	}
	return ec2_read_created(id, buf_span(&answer), e);
}

static int move(struct ec2 *ec2, const char *action, const char *volume, const char *instance,
	const char *device, struct err *e)
{
	struct buf answer CLEAN_BUF = BUF(ANSWER_MAX);
	struct form f = begin(action, e);

	add(&f, volume, "VolumeId");
	if (instance)
		add(&f, instance, "InstanceId");
	if (device)
		add(&f, device, "Device");
	return call(&answer, ec2, action, &f, e);
}

int ec2_attach(struct ec2 *ec2, const char *volume, const char *instance, const char *device,
	struct err *e)
{
	return move(ec2, "AttachVolume", volume, instance, device, e);
}

int ec2_detach(struct ec2 *ec2, const char *volume, const char *instance, const char *device,
	struct err *e)
{
	return move(ec2, "DetachVolume", volume, instance, device, e);
}

int ec2_delete(struct ec2 *ec2, const char *volume, struct err *e)
{
	return move(ec2, "DeleteVolume", volume, NULL, NULL, e);
}
