/* Which way to a key is taken, and what is said when there is none. */
#include "source/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/imds.h"
#include "source/credentials_ways.h"

enum { BEFORE_END = 300, WHY_MAX = 130 };

/* No secret is in the image itself: what a person or a volume brought while it runs. */
#define IMAGE_FILE "/run/etcd-rescue/credentials"

const char *credentials_env(const struct credentials_settings *s, const char *name)
{
	const char *value = s->image ? NULL : getenv(name);

	return value && *value ? value : NULL;
}

bool credentials_take(char *field, size_t size, struct str text)
{
	if (!text.len || text.len >= size)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	memcpy(field, text.p, text.len);
	field[text.len] = 0;
	return true;
}

void credentials_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->room);
	buf_clear(b);
}

static int by_env(struct credentials *c, const struct credentials_settings *s, struct err *e)
{
	const char *access = credentials_env(s, "AWS_ACCESS_KEY_ID");
	const char *secret = credentials_env(s, "AWS_SECRET_ACCESS_KEY");
	const char *session = credentials_env(s, "AWS_SESSION_TOKEN");

	if (s->image)
		return err_set(e, ERR_NOTFOUND, "the image takes none");
	if (!access && !secret)
		return err_set(e, ERR_NOTFOUND, "AWS_ACCESS_KEY_ID is not set");
	if (!access || !secret)
		return err_set(e, ERR_AUTH, "AWS_%s is set, AWS_%s is not",
			access ? "ACCESS_KEY_ID" : "SECRET_ACCESS_KEY",
			access ? "SECRET_ACCESS_KEY" : "ACCESS_KEY_ID");
	if (!credentials_take(c->access, sizeof c->access, str_from(access)) ||
		!credentials_take(c->secret, sizeof c->secret, str_from(secret)) ||
		(session && !credentials_take(c->session, sizeof c->session, str_from(session))))
		return err_set(e, ERR_AUTH,
			"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds "
			"blanks or is too long");
	snprintf(c->from, sizeof c->from, "the environment");
	return 0;
}

static int by_file(struct credentials *c, const struct credentials_settings *s, struct err *e)
{
	const char *own = credentials_env(s, "AWS_SHARED_CREDENTIALS_FILE");
	const char *home = credentials_env(s, "HOME");
	char path[1024];

	if (s->which && !strncmp(s->which, "file:", 5))
		return credentials_by_file(c, s, s->which + 5, e);
	if (own)
		return credentials_by_file(c, s, own, e);
	if (s->image && root_exists(s->root, IMAGE_FILE))
		return credentials_by_file(c, s, IMAGE_FILE, e);
	snprintf(path, sizeof path, "%s/.aws/credentials", home ? home : "/root");
	return credentials_by_file(c, s, path, e);
}

static int by_imds(struct credentials *c, const struct credentials_settings *s, struct err *e)
{
	struct imds_credentials keys = { 0 };
	struct imds imds;

	(void)s;
	if (imds_open(&imds, NULL, e))
		return e->code;
	const int bad = imds_credentials(&keys, &imds, e);
	if (!bad) {
		memcpy(c->access, keys.access, sizeof c->access);
		memcpy(c->secret, keys.secret, sizeof c->secret);
		memcpy(c->session, keys.session, sizeof c->session);
		c->expires = keys.expires;
		snprintf(c->from, sizeof c->from, "the role %s of this instance", keys.role);
	}
	imds_forget(&keys);
	imds_close(&imds);
	return bad;
}

struct way {
	const char *name;
	enum credentials_kind kind;
	int (*get)(struct credentials *c, const struct credentials_settings *s, struct err *e);
};

static const struct way ways[] = {
	{ "environment", CREDENTIALS_ENV, by_env },
	{ "web identity", CREDENTIALS_WEB_IDENTITY, credentials_by_web_identity },
	{ "file", CREDENTIALS_FILE, by_file },
	{ "container", CREDENTIALS_CONTAINER, credentials_by_container },
	{ "instance role", CREDENTIALS_IMDS, by_imds },
};

static enum credentials_kind wanted(const struct credentials_settings *s)
{
	if (!s->which || !*s->which || !strcmp(s->which, "auto"))
		return CREDENTIALS_UNKNOWN;
	if (!strcmp(s->which, "none"))
		return CREDENTIALS_NONE;
	if (!strcmp(s->which, "env"))
		return CREDENTIALS_ENV;
	return !strcmp(s->which, "imds") ? CREDENTIALS_IMDS : CREDENTIALS_FILE;
}

/* What a person needs to recognise a key by, and no more. */
static void tell(const struct credentials *c, const struct credentials_settings *s)
{
	const size_t len = strlen(c->access), shown = len > 12 ? 4 : 0;
	char left[64] = "";

	if (c->expires) {
		const long long minutes = ((long long)c->expires - time(NULL)) / 60;
		snprintf(left, sizeof left, ", for another %lld min", minutes);
	}
	event_info(s->listener, "credentials", "AWS keys from %s%s%s%s", c->from,
		shown ? ", access key ..." : "", shown ? c->access + len - shown : "", left);
}

static int none(struct err *e, const struct buf *tried)
{
	return err_set(e, ERR_AUTH,
		"no AWS credentials: %.*s; say where they are with --credentials file:PATH",
		STR_ARG(buf_text(tried)));
}

/* All of them have to fit into one line; at a blank, if it must be. */
static struct str cut(struct str why)
{
	if (why.len <= WHY_MAX)
		return why;
	for (why.len = WHY_MAX; why.len && why.p[why.len] != ' ';)
		why.len--;
	return why;
}

static int walk(struct credentials *c, const struct credentials_settings *s,
	enum credentials_kind only, struct err *e)
{
	CLEAN_BUF struct buf tried = BUF(2048);
	struct err ignored;

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		if (only && ways[i].kind != only)
			continue;
		if (!only && s->image && ways[i].kind != CREDENTIALS_FILE &&
			ways[i].kind != CREDENTIALS_IMDS)
			continue;
		const int bad = ways[i].get(c, s, e);
		if (!bad) {
			c->kind = ways[i].kind;
			return 0;
		}
		event_debug(s->listener, "credentials", "%s: %s", ways[i].name, e->text);
		if (bad != ERR_NOTFOUND)
			return bad;
		if (only) {
			e->code = ERR_AUTH;
			return err_wrap(e, "no AWS credentials: %s", ways[i].name);
		}
		const struct str why = cut(str_from(e->text));
		buf_print(&tried, &ignored, "%s%s: %.*s", tried.len ? "; " : "", ways[i].name,
			STR_ARG(why));
	}
	return none(e, &tried);
}

int credentials_get(
	struct credentials *c, const struct credentials_settings *settings, struct err *e)
{
	const enum credentials_kind only = c->kind ? c->kind : wanted(settings);
	struct credentials fresh = { .kind = CREDENTIALS_NONE };
	int bad = 0;

	if (only != CREDENTIALS_NONE)
		bad = walk(&fresh, settings, only, e);
	if (!bad) {
		*c = fresh;
		if (c->kind != CREDENTIALS_NONE)
			tell(c, settings);
	}
	credentials_forget(&fresh);
	return bad;
}

bool credentials_last(const struct credentials *c, int64_t now)
{
	return !c->expires || c->expires - now > BEFORE_END;
}

void credentials_forget(struct credentials *c)
{
	explicit_bzero(c, sizeof *c);
}
