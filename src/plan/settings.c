#include "plan/settings.h"

#include <string.h>

#include "net/url.h"
#include "node/anchors.h"
#include "os/file.h"

enum { PEM_MAX = 1 << 20, SECRET_MAX = 16 << 10 };

static const char manifest[] = "/etc/etcd-rescue/manifest";

static bool is_below(const char *url, const char *scheme)
{
	const size_t n = strlen(scheme);

	return !strncasecmp(url, scheme, n) && url[n] == ':';
}

/* What ps shows to everybody is no secret any more. */
static int check_address(const char *url, struct arena *a, struct err *e)
{
	struct err ignored;
	struct url u;

	if (url_parse(&u, str_from(url), &ignored) || !u.has_userinfo)
		return 0;
	if (url_scheme_is(&u, "sftp") && !memchr(u.userinfo.p, ':', u.userinfo.len))
		return 0;
	return err_set(e, ERR_USAGE,
		"%s: take the %s out of the address, where every user of the machine sees it, and "
		"name a file that holds it: %s",
		url_shown(a, &u), url_scheme_is(&u, "sftp") ? "password" : "user and password",
		url_scheme_is(&u, "s3") ? "--credentials file:PATH" : "--secret-file FILE");
}

static int read_trust(
	struct settings *s, const struct plan *plan, const struct root *root, struct err *e)
{
	if (node_anchors_load(&s->anchors, root, e))
		return e->code;
	if (plan->https.ca) {
		CLEAN_BUF struct buf own = BUF(PEM_MAX);
		if (file_read(&own, root, plan->https.ca, e) ||
			trust_check(buf_span(&own), plan->https.ca, e) ||
			buf_add(&s->anchors, "\n", 1, e) ||
			buf_add_str(&s->anchors, buf_text(&own), e))
			return e->code;
	}
	s->trust.anchors = buf_span(&s->anchors);
	if (!plan->https.client_cert)
		return 0;
	if (file_read(&s->cert, root, plan->https.client_cert, e) ||
		trust_check(buf_span(&s->cert), plan->https.client_cert, e) ||
		file_read(&s->key, root,
			plan->https.client_key ? plan->https.client_key : plan->https.client_cert,
			e))
		return e->code;
	s->trust.cert = buf_span(&s->cert);
	s->trust.key = buf_span(&s->key);
	return 0;
}

/* A file is one secret; the line end that an editor added is not part of it. */
static int read_secret(const char **secret, struct settings *s, const struct root *root,
	const char *path, struct err *e)
{
	if (file_read(&s->secret, root, path, e))
		return e->code;
	if (s->secret.len && s->secret.p[s->secret.len - 1] == '\n')
		s->secret.len--;
	if (s->secret.len && s->secret.p[s->secret.len - 1] == '\r')
		s->secret.len--;
	if (!s->secret.len)
		return err_set(e, ERR_FORMAT, "%s: holds no secret, it is empty", path);
	if (memchr(s->secret.p, 0, s->secret.len))
		return err_set(
			e, ERR_FORMAT, "%s: holds no secret, there are zero bytes in it", path);
	if (buf_add(&s->secret, "", 1, e))
		return e->code;
	*secret = (const char *)s->secret.p;
	return 0;
}

static int read_all(struct settings *s, struct arena *a, const struct plan *plan, struct err *e)
{
	struct source_settings *to = &s->source;
	const bool is_web = is_below(to->url, "http") || is_below(to->url, "https");

	if (check_address(to->url, a, e) || read_trust(s, plan, to->root, e))
		return e->code;
	to->trust = &s->trust;
	if (is_below(to->url, "sftp") && plan->sftp.secret)
		return read_secret(&to->sftp.secret, s, to->root, plan->sftp.secret, e);
	if (is_web && plan->https.secret)
		return read_secret(&to->https.secret, s, to->root, plan->https.secret, e);
	return 0;
}

int settings_make(struct settings *settings, struct arena *a, const struct plan *plan,
	struct root *root, const struct listener *listener, struct err *e)
{
	static const enum source_addressing addressing[] = {
		[PLAN_ADDRESSING_AUTO] = SOURCE_ADDRESSING_AUTO,
		[PLAN_ADDRESSING_PATH] = SOURCE_ADDRESSING_PATH,
		[PLAN_ADDRESSING_HOST] = SOURCE_ADDRESSING_HOST,
	};
	struct source_tag *tags = arena_array(a, plan->ebs.tags.n + 1, sizeof *tags);

	for (size_t i = 0; i < plan->ebs.tags.n; i++)
		tags[i] =
			(struct source_tag){ plan->ebs.tags.v[i].name, plan->ebs.tags.v[i].value };
	*settings = (struct settings){
		.anchors = BUF(NODE_ANCHORS_MAX + PEM_MAX),
		.cert = BUF(PEM_MAX),
		.key = BUF(PEM_MAX),
		.secret = BUF(SECRET_MAX),
		.source = { .url = plan->source,
			.root = root,
			.proxy = plan->proxy,
			.listener = listener,
			.image = root_exists(root, manifest),
			.s3 = { .endpoint = plan->s3.endpoint,
				.region = plan->s3.region,
				.credentials = plan->s3.credentials,
				.addressing = addressing[plan->s3.addressing],
				.sse_key = plan->s3.sse_key,
				.version = plan->snapshot.version },
			.ebs = { .tags = tags,
				.n_tags = plan->ebs.tags.n,
				.volume_type = plan->ebs.volume_type,
				.iops = plan->ebs.iops == UINT64_MAX ? 0 : plan->ebs.iops,
				.endpoint = plan->ebs.endpoint },
			.sftp = { .host_key = plan->sftp.host_key,
				.known_hosts = plan->sftp.known_hosts,
				.identity = plan->sftp.identity },
			.https = { .user = plan->https.user } },
	};
	if (read_all(settings, a, plan, e)) {
		settings_free(settings);
		return e->code;
	}
	return 0;
}

void settings_free(struct settings *s)
{
	if (s->secret.p)
		explicit_bzero(s->secret.p, s->secret.room);
	if (s->key.p)
		explicit_bzero(s->key.p, s->key.room);
	if (s->cert.p) /* the key may stand in the same file */
		explicit_bzero(s->cert.p, s->cert.room);
	buf_free(&s->anchors);
	buf_free(&s->cert);
	buf_free(&s->key);
	buf_free(&s->secret);
	*s = (struct settings){ 0 };
}
