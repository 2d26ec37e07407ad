#include "net/imds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/monotonic.h"
#include "codec/doc.h"
#include "codec/rfc3339.h"
#include "net/http.h"
#include "net/retry.h"
#include "net/url.h"

enum { FIRST_MS = 2000, EACH_MS = 1000, LATER_MS = 5000, DEADLINE_MS = 10000 };
enum { ANSWER_MAX = 65536, TREE_MAX = 4 << 20 };

#define TOKEN_PATH    "/latest/api/token"
#define IDENTITY_PATH "/latest/dynamic/instance-identity/document"
#define ROLE_PATH     "/latest/meta-data/iam/security-credentials/"

static int no_service(struct err *e, const char *why)
{
	return err_set(e, ERR_NOTFOUND,
		"no EC2 instance metadata here, so this is no EC2 instance or its metadata "
		"service is off: %s",
		why);
}

static int get_token(struct imds *imds, unsigned limit_ms, struct err *e)
{
	static const char *const headers[] = { "X-aws-ec2-metadata-token-ttl-seconds: 21600",
		NULL };
	char url[320];
	struct buf token CLEAN_BUF = BUF(sizeof imds->token - 1);
	struct http_response r;

	snprintf(url, sizeof url, "%s" TOKEN_PATH, imds->endpoint);
	const struct http_request q = { .url = url,
		.method = "PUT",
		.proxy = "",
		.session = imds->session,
		.headers = headers,
		.stay = true,
		.connect_ms = limit_ms < EACH_MS ? limit_ms : EACH_MS };
	if (http_get_buf(&token, &r, &q, limit_ms, e)) {
		if (r.status == 403)
			return err_set(e, ERR_AUTH,
				"the instance metadata service at %s is switched off for this "
				"instance; "
				"allow it with: aws ec2 modify-instance-metadata-options "
				"--http-endpoint enabled",
				imds->endpoint);
		if (retry_worth(ERR_OK, r.status))
			return err_wrap(e, "instance metadata");
		if (r.status) /* another cloud's, which knows no version 2 */
			return err_set(e, ERR_NOTFOUND,
				"the metadata service at %s gives no token (status %u); only "
				"version 2 of "
				"EC2's is used",
				imds->endpoint, r.status);
		const struct err why = *e;
		return no_service(e, why.text);
	}
	const struct str text = str_trim(buf_text(&token));
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return err_set(e, ERR_FORMAT,
				"the metadata service at %s gives no token that makes sense",
				imds->endpoint);
	if (!text.len)
		return err_set(e, ERR_FORMAT, "the metadata service at %s gives an empty token",
			imds->endpoint);
	memcpy(imds->token, text.p, text.len);
	imds->token[text.len] = 0;
	explicit_bzero(token.p, token.len);
	return 0;
}

static int set_endpoint(struct imds *imds, const char *endpoint, struct err *e)
{
	struct str text = str_from(endpoint);
	struct url url;

	while (text.len && text.p[text.len - 1] == '/')
		text.len--;
	if (url_parse(&url, text, e))
		return err_wrap(e, "endpoint of the instance metadata");
	if (!url_scheme_is(&url, "http") || !url.host.len || url.has_userinfo || url.has_query ||
		text.len >= sizeof imds->endpoint)
		return err_set(e, ERR_USAGE,
			"endpoint of the instance metadata: not of the form http://ADDRESS[:PORT]");
	memcpy(imds->endpoint, text.p, text.len);
	imds->endpoint[text.len] = 0;
	return 0;
}

int imds_open(struct imds *imds, const char *endpoint, struct err *e)
{
	static const char *const own[] = { "http://169.254.169.254", "http://[fd00:ec2::254]" };
	const int64_t end = monotonic_ms() + FIRST_MS;
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");
	const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	struct err later;
	int bad;

	*imds = (struct imds){ 0 };
	if (!endpoint && off && !strcasecmp(off, "true"))
		return no_service(e, "AWS_EC2_METADATA_DISABLED is set");
	if (!endpoint)
		endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	imds->session = http_session_open();
	if (endpoint && *endpoint) {
		bad = set_endpoint(imds, endpoint, e);
		if (!bad)
			bad = get_token(imds, FIRST_MS, e);
	} else if (mode && !strcasecmp(mode, "IPv6")) {
		bad = set_endpoint(imds, own[1], e);
		if (!bad)
			bad = get_token(imds, FIRST_MS, e);
	} else {
		bad = set_endpoint(imds, own[0], e);
		if (!bad)
			bad = get_token(imds, EACH_MS, e);
		if (bad == ERR_NOTFOUND && end - monotonic_ms() > 0) {
			/* What IPv4 said is what people know; keep it. */
			bad = set_endpoint(imds, own[1], &later);
			if (!bad)
				bad = get_token(imds, (unsigned)(end - monotonic_ms()), &later);
			if (bad)
				bad = e->code;
		}
	}
	if (bad)
		imds_close(imds);
	return bad;
}

void imds_close(struct imds *imds)
{
	if (imds->session)
		http_session_close(imds->session);
	explicit_bzero(imds, sizeof *imds);
}

int imds_get(struct buf *body, struct imds *imds, const char *path, struct err *e)
{
	char url[1024], header[600];
	const char *const headers[] = { header, NULL };
	struct http_response r;
	int bad = 0;

	if (snprintf(url, sizeof url, "%s%s", imds->endpoint, path) >= (int)sizeof url)
		return err_set(e, ERR_USAGE, "instance metadata: the path is too long");
	const struct http_request q = { .url = url,
		.proxy = "",
		.session = imds->session,
		.headers = headers,
		.stay = true,
		.connect_ms = EACH_MS,
		.total_ms = imds->limit_ms ? imds->limit_ms : LATER_MS };
	for (int round = 0; round < 2; round++) {
		snprintf(header, sizeof header, "X-aws-ec2-metadata-token: %s", imds->token);
		bad = http_get_buf(body, &r, &q, imds->limit_ms ? imds->limit_ms : DEADLINE_MS, e);
		explicit_bzero(header, sizeof header);
		if (!bad || r.status != 401)
			break;
		if (round == 0 && get_token(imds, LATER_MS, e))
			return e->code;
	}
	return bad ? err_wrap(e, "instance metadata") : 0;
}

/* The text of a key, if every byte of it is a letter, a digit or one of `also`. */
static bool take(
	char *out, size_t size, const struct doc_node *map, const char *key, const char *also)
{
	const struct doc_node *node = doc_get(map, key);

	*out = 0;
	if (!node || node->kind != DOC_SCALAR || node->text.len >= size)
		return false;
	for (size_t i = 0; i < node->text.len; i++) {
		const char c = node->text.p[i];
		if (!ascii_is_word(c) && !(c && strchr(also, c)))
			return false;
	}
	memcpy(out, node->text.p, node->text.len);
	out[node->text.len] = 0;
	return node->text.len > 0;
}

static int read_map(const struct doc_node **map, struct arena *a, struct str json, const char *name,
	struct err *e)
{
	struct doc doc;

	if (doc_parse(&doc, a, json, name, DOC_JSON, (struct doc_limits){ ANSWER_MAX, 1000, 1, 8 },
		    e)) {
		/* The parser may quote what it did not like. */
		return err_set(e, ERR_FORMAT, "the %s is no JSON", name);
	}
	if (!doc.root || doc.root->kind != DOC_MAP)
		return err_set(e, ERR_FORMAT, "the %s is no JSON object", name);
	*map = doc.root;
	return 0;
}

int imds_read_identity(struct imds_identity *identity, struct str json, struct err *e)
{
	struct imds_identity id = { 0 };
	struct arena a = ARENA(TREE_MAX);
	const struct doc_node *map;
	int bad = read_map(&map, &a, json, "instance identity document", e);

	if (!bad && (!take(id.instance, sizeof id.instance, map, "instanceId", "-") ||
			    !take(id.region, sizeof id.region, map, "region", "-") ||
			    !take(id.zone, sizeof id.zone, map, "availabilityZone", "-")))
		bad = err_set(e, ERR_FORMAT,
			"the instance identity document does not name instance, region and zone");
	if (!bad) {
		take(id.account, sizeof id.account, map, "accountId", "");
		take(id.type, sizeof id.type, map, "instanceType", "-.");
		*identity = id;
	}
	arena_free(&a);
	return bad;
}

int imds_read_credentials(struct imds_credentials *credentials, struct str json, struct err *e)
{
	struct imds_credentials c = { 0 };
	struct arena a = ARENA(TREE_MAX);
	const struct doc_node *map;
	char word[64], expires[40];
	int bad = read_map(&map, &a, json, "answer with the role's credentials", e);

	if (!bad && doc_get(map, "Code") &&
		(!take(word, sizeof word, map, "Code", "-_.") || strcmp(word, "Success")))
		bad = err_set(e, ERR_AUTH,
			"the role of this instance has no credentials: %s; look at its trust "
			"policy",
			*word ? word : "no reason given");
	if (!bad && (!take(c.access, sizeof c.access, map, "AccessKeyId", "_-/+=.") ||
			    !take(c.secret, sizeof c.secret, map, "SecretAccessKey", "_-/+=.") ||
			    !take(c.session, sizeof c.session, map, "Token", "_-/+=.%:,") ||
			    !take(expires, sizeof expires, map, "Expiration", "-:.+") ||
			    !rfc3339_parse(&c.expires, str_from(expires))))
		bad = err_set(e, ERR_FORMAT,
			"the answer with the role's credentials lacks AccessKeyId, "
			"SecretAccessKey, Token or Expiration");
	if (!bad) {
		memcpy(c.role, credentials->role, sizeof c.role);
		*credentials = c;
	}
	imds_forget(&c);
	arena_free(&a);
	return bad;
}

void imds_forget(struct imds_credentials *credentials)
{
	explicit_bzero(credentials, sizeof *credentials);
}

int imds_identity(struct imds_identity *identity, struct imds *imds, struct err *e)
{
	struct buf answer CLEAN_BUF = BUF(ANSWER_MAX);

	if (imds_get(&answer, imds, IDENTITY_PATH, e))
		return e->code;
	return imds_read_identity(identity, buf_text(&answer), e);
}

int imds_credentials(struct imds_credentials *credentials, struct imds *imds, struct err *e)
{
	struct buf answer CLEAN_BUF = BUF(ANSWER_MAX);
	struct str role, rest;
	char path[256];

	*credentials = (struct imds_credentials){ 0 };
	const int none = imds_get(&answer, imds, ROLE_PATH, e);
	if (none && none != ERR_NOTFOUND)
		return none;
	rest = none ? STR("") : buf_text(&answer);
	if (!str_word(&role, &rest))
		return err_set(e, ERR_NOTFOUND,
			"this instance has no role, so it has no credentials; attach an instance "
			"profile to it");
	for (size_t i = 0; i < role.len; i++)
		if (!role.p[i] || (!ascii_is_word(role.p[i]) && !strchr("+=,.@_-", role.p[i])))
			return err_set(
				e, ERR_FORMAT, "the role of this instance has no name of one");
	if (role.len >= sizeof credentials->role)
		return err_set(e, ERR_FORMAT, "the role of this instance has no name of one");
	memcpy(credentials->role, role.p, role.len);
	snprintf(path, sizeof path, ROLE_PATH "%s", credentials->role);
	if (imds_get(&answer, imds, path, e))
		return e->code;
	const int bad = imds_read_credentials(credentials, buf_text(&answer), e);
	explicit_bzero(answer.p, answer.len);
	return bad;
}
