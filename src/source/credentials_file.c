/* Files with keys, in the forms people have them. */
#include "source/credentials_ways.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "codec/doc.h"
#include "codec/rfc3339.h"
#include "os/file.h"

enum { FILE_MAX = 64 << 10, TREE_MAX = 4 << 20 };

struct found {
	struct str access, secret, session, expires;
	struct str other; /* a way to keys that is not ours, such as role_arn */
};

struct section {
	struct str name;
	struct found keys;
};

/* AWS's own names, those of s3cmd, rclone and radosgw-admin, and of the JSON of STS. */
static struct str *field(struct found *f, struct str name)
{
	static const char *const access[] = { "aws_access_key_id", "access_key_id", "access_key",
		"AccessKeyId", NULL };
	static const char *const secret[] = { "aws_secret_access_key", "secret_access_key",
		"secret_key", "SecretAccessKey", NULL };
	static const char *const session[] = { "aws_session_token", "session_token",
		"aws_security_token", "access_token", "SessionToken", "Token", NULL };
	static const char *const expires[] = { "aws_expiration", "Expiration", NULL };
	static const char *const other[] = { "role_arn", "credential_process", "sso_session",
		"sso_start_url", NULL };
	const struct {
		const char *const *names;
		struct str *at;
	} all[] = { { access, &f->access }, { secret, &f->secret }, { session, &f->session },
		{ expires, &f->expires }, { other, &f->other } };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		for (const char *const *n = all[i].names; *n; n++)
			if (strlen(*n) == name.len && !strncasecmp(*n, name.p, name.len))
				return all[i].at;
	return NULL;
}

static struct str unquoted(struct str s)
{
	if (s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0])
		return (struct str){ s.p + 1, s.len - 2 };
	return s;
}

/* "[name]" and, as in AWS's config, "[profile name]". */
static bool read_heading(struct str *name, struct str line)
{
	if (line.len < 2 || line.p[0] != '[' || line.p[line.len - 1] != ']')
		return false;
	*name = str_trim((struct str){ line.p + 1, line.len - 2 });
	if (str_starts(*name, STR("profile ")))
		*name = str_trim((struct str){ name->p + 8, name->len - 8 });
	return true;
}

static void read_line(struct found *f, struct str line)
{
	struct str name, value, word, rest = line;
	size_t at = 0;

	if (str_word(&word, &rest) && str_is(word, "export"))
		line = str_trim(rest);
	while (at < line.len && line.p[at] != '=' && line.p[at] != ':')
		at++;
	if (at == line.len)
		return;
	name = str_trim((struct str){ line.p, at });
	value = unquoted(str_trim((struct str){ line.p + at + 1, line.len - at - 1 }));
	struct str *known = field(f, name);
	if (known) {
		/* Which other way it is, not what is said of it. */
		*known = known == &f->other ? name : value;
	} else if (line.p[at] == ':' && !f->access.len) {
		f->access = name;
		f->secret = value;
	}
}

static int take_keys(struct credentials *c, const struct found *f, const char *where, struct err *e)
{
	const bool nothing = !f->access.len && !f->secret.len;

	if (nothing && f->other.len)
		return err_set(e, ERR_FORMAT,
			"%s gets its keys by %.*s, which is not supported here; give it "
			"aws_access_key_id and aws_secret_access_key",
			where, STR_ARG(f->other));
	if (!f->access.len || !f->secret.len)
		return err_set(e, ERR_FORMAT, "%s has no %s", where,
			f->access.len ? "aws_secret_access_key" : "aws_access_key_id");
	if (!credentials_take(c->access, sizeof c->access, f->access) ||
		!credentials_take(c->secret, sizeof c->secret, f->secret))
		return err_set(e, ERR_FORMAT, "%s: the key is none: blanks, or too long", where);
	*c->session = 0;
	if (f->session.len && !credentials_take(c->session, sizeof c->session, f->session))
		return err_set(
			e, ERR_FORMAT, "%s: the session token is none: blanks, or too long", where);
	c->expires = 0;
	if (f->expires.len && !rfc3339_parse(&c->expires, f->expires))
		return err_set(e, ERR_FORMAT, "%s: its expiry is no time", where);
	return 0;
}

static int read_json(struct credentials *c, struct str text, struct err *e)
{
	struct arena a = ARENA(TREE_MAX);
	struct found f = { 0 };
	struct doc doc;
	int bad = 0;

	/* The parser's own words may quote what it did not like. */
	if (doc_parse(&doc, &a, text, "", DOC_JSON, (struct doc_limits){ FILE_MAX, 1000, 1, 8 }, e))
		bad = err_set(e, ERR_FORMAT, "begins like JSON and is none");
	for (int round = 0; round < 2 && !bad && doc.root; round++) {
		const struct doc_node *map = round ? doc_get(doc.root, "Credentials") : doc.root;
		for (const struct doc_node *n = map && map->kind == DOC_MAP ? map->first : NULL; n;
			n = n->next) {
			struct str *known = n->kind == DOC_SCALAR ? field(&f, n->key->text) : NULL;
			if (known && !doc_is_null(n))
				*known = known == &f.other ? n->key->text : n->text;
		}
	}
	if (!bad)
		bad = take_keys(c, &f, "the JSON", e);
	arena_free(&a);
	return bad;
}

int credentials_read_file(
	struct credentials *c, struct str text, const char *profile, struct err *e)
{
	const char *const wanted = profile ? profile : "default";
	struct section named = { 0 }, bare = { 0 }, other = { 0 }, *now = &bare;
	struct str line, heading;
	size_t n_other = 0;
	bool has_named = false;
	char where[160];

	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = (struct str){ text.p + 3, text.len - 3 };
	if (str_starts(str_trim(text), STR("{")))
		return read_json(c, text, e);
	while (str_next(&line, &text, '\n')) {
		line = str_trim(line);
		if (!line.len || *line.p == '#' || *line.p == ';')
			continue;
		if (!read_heading(&heading, line)) {
			read_line(&now->keys, line);
		} else if (str_is(heading, wanted)) {
			has_named = true;
			now = &named;
		} else {
			n_other++;
			other = (struct section){ .name = heading };
			now = &other;
		}
	}
	if (has_named) {
		snprintf(where, sizeof where, "profile '%s'", wanted);
		return take_keys(c, &named.keys, where, e);
	}
	if (profile)
		return err_set(e, ERR_FORMAT, "has no profile '%s'", profile);
	if (bare.keys.access.len || bare.keys.secret.len || !n_other)
		return take_keys(c, &bare.keys, "it", e);
	if (n_other > 1)
		return err_set(e, ERR_FORMAT,
			"has %zu profiles and none is 'default'; choose one with AWS_PROFILE or "
			"name it default",
			n_other);
	snprintf(where, sizeof where, "profile '%.*s'", STR_ARG(other.name));
	return take_keys(c, &other.keys, where, e);
}

/* Somebody else's program on this host may read them: worth a word, but no reason to fail. */
static void look_at_mode(const struct credentials_settings *s, const char *path)
{
	CLOSE_FD int fd = -1;
	struct stat st;
	struct err e;

	if (s->image || root_open_at(&fd, s->root, path, O_PATH, &e) || fstat(fd, &st))
		return;
	if (st.st_mode & 077)
		event_warning(s->listener, "credentials",
			"%s can be read by others on this host: chmod 600 %s", path, path);
}

int credentials_by_file(struct credentials *c, const struct credentials_settings *s,
	const char *path, struct err *e)
{
	struct buf text CLEAN_BUF = BUF(FILE_MAX);
	const char *profile = credentials_env(s, "AWS_PROFILE");

	int bad = file_read(&text, s->root, path, e);
	if (bad == ERR_NOTFOUND)
		return err_set(e, ERR_NOTFOUND, "%s is not there", path);
	if (!bad) {
		bad = credentials_read_file(c, buf_text(&text), profile, e);
		if (bad)
			err_wrap(e, "%s", path);
	}
	if (!bad)
		snprintf(c->from, sizeof c->from, "the file %s%s%s", path,
			profile ? ", profile " : "", profile ? profile : "");
	if (!bad)
		look_at_mode(s, path);
	credentials_wipe(&text);
	return bad;
}
