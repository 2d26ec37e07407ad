/* Keys that another service gives: STS for a web identity token, the agent of a container. */
#include "source/credentials_ways.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/ascii.h"
#include "codec/rfc3339.h"
#include "codec/xml.h"
#include "net/http.h"
#include "net/imds.h"
#include "net/url.h"
#include "os/file.h"

enum { TOKEN_MAX = 20000, ANSWER_MAX = 65536, TREE_MAX = 1 << 20, DEADLINE_MS = 20000 };

/* A token in a file, as one line. */
static int read_token(
	struct buf *token, const struct credentials_settings *s, const char *path, struct err *e)
{
	if (file_read(token, s->root, path, e))
		return e->code == ERR_NOTFOUND ? err_set(e, ERR_AUTH, "%s is not there", path)
					       : (int)e->code;
	const struct str t = str_trim(buf_text(token));
	for (size_t i = 0; i < t.len; i++)
		if (t.p[i] < ' ' || t.p[i] > '~')
			return err_set(e, ERR_FORMAT, "%s holds no token", path);
	if (!t.len)
		return err_set(e, ERR_FORMAT, "%s is empty", path);
	memmove(token->p, t.p, t.len);
	token->len = t.len;
	return 0;
}

static int add_form(struct buf *body, const char *name, struct str value, struct err *e)
{
	if (buf_print(body, e, "%s%s=", body->len ? "&" : "", name))
		return e->code;
	for (size_t i = 0; i < value.len; i++) {
		const char c = value.p[i];
		const bool plain = ascii_is_word(c) || (c && strchr("-._~", c));
		if (plain ? buf_add(body, &c, 1, e)
			  : buf_print(body, e, "%%%02X", (unsigned)(uint8_t)c))
			return e->code;
	}
	return 0;
}

static bool is_loopback(const struct url *url)
{
	char host[64];
	struct in_addr v4;
	struct in6_addr v6;

	if (url->host.len >= sizeof host)
		return false;
	memcpy(host, url->host.p, url->host.len);
	host[url->host.len] = 0;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return !strcasecmp(host, "localhost");
}

static int sts_url(char *url, size_t size, const struct credentials_settings *s, struct err *e)
{
	const char *own = credentials_env(s, "AWS_ENDPOINT_URL_STS");
	const char *region = s->region && *s->region ? s->region : credentials_env(s, "AWS_REGION");
	struct url parts;

	if (!region)
		region = credentials_env(s, "AWS_DEFAULT_REGION");
	if (!own)
		snprintf(url, size, "https://sts.%s%samazonaws.com%s/", region ? region : "",
			region ? "." : "", region && !strncmp(region, "cn-", 3) ? ".cn" : "");
	else if (snprintf(url, size, "%s", own) >= (int)size)
		return err_set(e, ERR_USAGE, "AWS_ENDPOINT_URL_STS is too long");
	if (url_parse(&parts, str_from(url), e))
		return err_wrap(e, "address of STS");
	if (!url_scheme_is(&parts, "https") && !is_loopback(&parts))
		return err_set(e, ERR_USAGE,
			"AWS_ENDPOINT_URL_STS: the token would travel in the clear; use https");
	return 0;
}

static int read_sts(struct credentials *c, struct span answer, struct err *e)
{
	struct arena a = ARENA(TREE_MAX);
	const struct xml_node *root, *keys = NULL;
	struct err ignored;

	if (!xml_parse(
		    &root, &a, answer, (struct xml_limits){ ANSWER_MAX, 500, 16, false }, &ignored))
		keys = xml_find(root, "AssumeRoleWithWebIdentityResult/Credentials");
	const bool good =
		keys &&
		credentials_take(c->access, sizeof c->access, xml_text(keys, "AccessKeyId")) &&
		credentials_take(c->secret, sizeof c->secret, xml_text(keys, "SecretAccessKey")) &&
		credentials_take(c->session, sizeof c->session, xml_text(keys, "SessionToken")) &&
		rfc3339_parse(&c->expires, xml_text(keys, "Expiration"));
	arena_free(&a);
	return good ? 0 : err_set(e, ERR_FORMAT, "the answer of STS holds no keys that make sense");
}

/* What STS says instead, without the token it may quote. */
static int sts_refusal(const struct http_response *r, const char *role, struct err *e)
{
	struct arena a = ARENA(TREE_MAX);
	const struct xml_node *root;
	struct err ignored;
	const struct span text = { (const uint8_t *)r->refusal, strlen(r->refusal) };

	if (!xml_parse(
		    &root, &a, text, (struct xml_limits){ ANSWER_MAX, 100, 8, true }, &ignored)) {
		const struct str code = xml_text(root, "Error/Code");
		if (str_is(code, "ExpiredTokenException"))
			err_set(e, ERR_AUTH,
				"STS: the web identity token has expired; "
				"AWS_WEB_IDENTITY_TOKEN_FILE "
				"must be a file that is kept new");
		else if (str_is(code, "AccessDenied"))
			err_set(e, ERR_AUTH,
				"STS does not let this token have the role %s; look at the role's "
				"trust policy",
				role);
		else if (code.len && code.len < 64)
			err_set(e, ERR_AUTH, "STS refuses the web identity for %s: %.*s", role,
				STR_ARG(code));
	}
	arena_free(&a);
	return (int)e->code;
}

int credentials_by_web_identity(
	struct credentials *c, const struct credentials_settings *s, struct err *e)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
		NULL };
	const char *path = credentials_env(s, "AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = credentials_env(s, "AWS_ROLE_ARN");
	const char *name = credentials_env(s, "AWS_ROLE_SESSION_NAME");
	struct buf token CLEAN_BUF = BUF(TOKEN_MAX), body CLEAN_BUF = BUF(4 * TOKEN_MAX),
			 answer CLEAN_BUF = BUF(ANSWER_MAX);
	struct http_response r;
	char url[512];

	if (!path)
		return err_set(e, ERR_NOTFOUND, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
	if (!role)
		return err_set(
			e, ERR_AUTH, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
	int bad = sts_url(url, sizeof url, s, e);
	if (!bad)
		bad = read_token(&token, s, path, e);
	if (!bad && (add_form(&body, "Action", STR("AssumeRoleWithWebIdentity"), e) ||
			    add_form(&body, "Version", STR("2011-06-15"), e) ||
			    add_form(&body, "RoleArn", str_from(role), e) ||
			    add_form(&body, "RoleSessionName",
				    name ? str_from(name) : STR("etcd-rescue"), e) ||
			    add_form(&body, "WebIdentityToken", buf_text(&token), e)))
		bad = (int)e->code;
	if (!bad) {
		const struct http_request q = { .url = url,
			.method = "POST",
			.body = buf_span(&body),
			.headers = headers,
			.trust = s->trust,
			.proxy = s->proxy,
			.stay = true };
		bad = http_get_buf(&answer, &r, &q, DEADLINE_MS, e);
		if (bad)
			bad = sts_refusal(&r, role, e);
		else
			bad = read_sts(c, buf_span(&answer), e);
	}
	if (!bad)
		snprintf(c->from, sizeof c->from, "STS by web identity, role %.150s", role);
	credentials_wipe(&token);
	credentials_wipe(&body);
	credentials_wipe(&answer);
	return bad;
}

/* Only to the container's own agent may a token go in the clear. */
static bool is_agent(const struct url *url)
{
	return is_loopback(url) || str_is(url->host, "169.254.170.2") ||
	       str_is(url->host, "169.254.170.23") || str_is(url->host, "fd00:ec2::23");
}

static int container_url(
	char *url, size_t size, const struct credentials_settings *s, struct err *e)
{
	const char *relative = credentials_env(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = credentials_env(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct url parts;
	int n;

	if (!relative && !full)
		return err_set(e, ERR_NOTFOUND,
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set");
	if (relative)
		n = snprintf(url, size, "http://169.254.170.2%s%s", *relative == '/' ? "" : "/",
			relative);
	else
		n = snprintf(url, size, "%s", full);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ERR_USAGE, "AWS_CONTAINER_CREDENTIALS_%s_URI is too long",
			relative ? "RELATIVE" : "FULL");
	if (url_parse(&parts, str_from(url), e))
		return err_wrap(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (!url_scheme_is(&parts, "https") && !(url_scheme_is(&parts, "http") && is_agent(&parts)))
		return err_set(e, ERR_USAGE,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI: %.*s is no container agent; without "
			"https only loopback, 169.254.170.2, 169.254.170.23 and fd00:ec2::23 are",
			STR_ARG(parts.host));
	return 0;
}

static int container_token(struct buf *header, const struct credentials_settings *s, struct err *e)
{
	const char *path = credentials_env(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *own = credentials_env(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct buf token CLEAN_BUF = BUF(TOKEN_MAX);
	int bad = 0;

	if (path)
		bad = read_token(&token, s, path, e);
	else if (own)
		bad = buf_add_str(&token, str_from(own), e);
	for (size_t i = 0; i < token.len && !bad; i++)
		if (token.p[i] < ' ' || token.p[i] > '~')
			bad = err_set(e, ERR_FORMAT,
				"AWS_CONTAINER_AUTHORIZATION_TOKEN holds a control byte");
	if (!bad && token.len)
		bad = buf_print(header, e, "Authorization: %.*s", STR_ARG(buf_text(&token)));
	if (!bad)
		bad = buf_add(header, "", 1, e);
	credentials_wipe(&token);
	return bad;
}

int credentials_by_container(
	struct credentials *c, const struct credentials_settings *s, struct err *e)
{
	struct buf header CLEAN_BUF = BUF(TOKEN_MAX), answer CLEAN_BUF = BUF(ANSWER_MAX);
	struct imds_credentials keys = { 0 };
	struct http_response r;
	char url[1024];
	int bad = container_url(url, sizeof url, s, e);

	if (!bad)
		bad = container_token(&header, s, e);
	if (!bad) {
		const char *const headers[] = { (const char *)header.p, NULL };
		const struct http_request q = { .url = url,
			.headers = header.len > 1 ? headers : NULL,
			.trust = s->trust,
			.proxy = "",
			.stay = true,
			.connect_ms = 2000,
			.total_ms = 10000 };
		bad = http_get_buf(&answer, &r, &q, DEADLINE_MS, e);
		if (bad == ERR_NOTFOUND) /* the variables are set: this is no absence */
			e->code = ERR_AUTH;
		if (bad)
			bad = err_wrap(e, "container credentials");
	}
	if (!bad)
		bad = imds_read_credentials(&keys, buf_text(&answer), e);
	if (!bad) {
		memcpy(c->access, keys.access, sizeof c->access);
		memcpy(c->secret, keys.secret, sizeof c->secret);
		memcpy(c->session, keys.session, sizeof c->session);
		c->expires = keys.expires;
		snprintf(c->from, sizeof c->from, "the container's credentials endpoint");
	}
	imds_forget(&keys);
	credentials_wipe(&header);
	credentials_wipe(&answer);
	return bad;
}
