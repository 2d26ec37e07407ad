#include "cmd/entered.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"
#include "os/file.h"

enum { PLAN_MAX = 64 * 1024 };

int entered_kind(enum entered_kind *kind, const char *source, struct err *e)
{
	const struct str s = str_from(source);
	struct str scheme, rest;

	if (s.len && s.p[0] == '/') {
		*kind = ENTERED_OTHER;
		return 0;
	}
	if (!str_cut(&scheme, &rest, s, ':') || !scheme.len)
		return err_set(e, ERR_FORMAT,
			"that is no address: it begins with s3:, https:, sftp:, dev:, label: or /");
	*kind = str_is(scheme, "s3")                                ? ENTERED_S3
		: str_is(scheme, "https") || str_is(scheme, "http") ? ENTERED_HTTPS
		: str_is(scheme, "sftp")                            ? ENTERED_SFTP
								    : ENTERED_OTHER;
	return 0;
}

int entered_file(const char **path, struct arena *a, const char *dir, const char *who,
	const char *name, struct str text, struct err *e)
{
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_sys(e, "%s", dir);
	*path = arena_print(a, "%s/%s-%s", dir, who, name);
	unlink(*path);
	CLOSE_FD int fd = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "%s", *path);
	return file_write(fd, text.p, text.len, e) ? err_wrap(e, "%s", *path) : 0;
}

static void key_unless_empty(struct json *j, const char *key, const char *text)
{
	if (text[0])
		json_key_text(j, key, text);
}

struct writer {
	struct arena *arena;
	const char *dir, *who;
	const struct entered *entered;
	struct json *json;
	struct err *e;
};

/* A secret as a file, and the plan's key that names it. */
static void key_secret(
	struct writer *w, const char *key, const char *name, const char *secret, const char *prefix)
{
	const char *path;

	if (!secret[0] ||
		entered_file(&path, w->arena, w->dir, w->who, name, str_from(secret), w->e))
		return;
	json_key_text(w->json, key, arena_print(w->arena, "%s%s", prefix, path));
}

static void keys_of_s3(struct writer *w)
{
	const struct entered *in = w->entered;
	CLEAN_BUF struct buf text = BUF(3 * ENTERED_TEXT);

	json_key(w->json, "s3");
	json_open(w->json, '{');
	key_unless_empty(w->json, "endpoint", in->endpoint);
	key_unless_empty(w->json, "region", in->region);
	if (in->access[0] &&
		!buf_print(&text, w->e,
			"[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n%s%s%s",
			in->access, in->secret, in->session[0] ? "aws_session_token = " : "",
			in->session, in->session[0] ? "\n" : "") &&
		!buf_add(&text, "", 1, w->e))
		key_secret(w, "credentials", "credentials", (const char *)text.p, "file:");
	if (text.p)
		explicit_bzero(text.p, text.room);
	json_close(w->json, '}');
}

static void keys_of_https(struct writer *w)
{
	json_key(w->json, "https");
	json_open(w->json, '{');
	key_unless_empty(w->json, "user", w->entered->user);
	key_secret(w, "secret", "secret", w->entered->secret, "");
	json_close(w->json, '}');
}

static void keys_of_sftp(struct writer *w)
{
	json_key(w->json, "sftp");
	json_open(w->json, '{');
	key_unless_empty(w->json, "host-key", w->entered->host_key);
	key_unless_empty(w->json, "identity", w->entered->identity);
	key_secret(w, "secret", "secret", w->entered->secret, "");
	json_close(w->json, '}');
}

static void key_network(struct json *j, const char *words)
{
	struct str rest = str_from(words), word;

	json_key(j, "network");
	json_open(j, '[');
	while (str_word(&word, &rest))
		json_str(j, word);
	json_close(j, ']');
}

int entered_write(const char **plan, struct arena *a, const char *dir, const char *who,
	const struct entered *in, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(PLAN_MAX);
	struct json j = JSON(&text);
	struct writer w = { a, dir, who, in, &j, e };
	enum entered_kind kind;

	if (entered_kind(&kind, in->source, e))
		return e->code;
	*e = (struct err){ 0 };
	json_open(&j, '{');
	json_key_text(&j, "source",
		in->source[0] == '/' ? arena_print(a, "file:%s", in->source) : in->source);
	key_unless_empty(&j, "snapshot", in->snapshot);
	if (kind == ENTERED_S3)
		keys_of_s3(&w);
	if (kind == ENTERED_HTTPS && (in->user[0] || in->secret[0]))
		keys_of_https(&w);
	if (kind == ENTERED_SFTP)
		keys_of_sftp(&w);
	if (in->luks[0]) {
		json_key(&j, "storage");
		json_open(&j, '{');
		key_secret(&w, "luks-key", "luks", in->luks, "file:");
		json_close(&j, '}');
	}
	if (in->network[0])
		key_network(&j, in->network);
	json_close(&j, '}');
	if (!e->code && !json_end(&j, e) && !buf_add(&text, "\n", 1, e))
		entered_file(plan, a, dir, who, "plan.yaml", buf_text(&text), e);
	if (text.p)
		explicit_bzero(text.p, text.room);
	return e->code;
}

static void wipe_file(int dir, const char *name)
{
	static const char zeros[4096];
	struct stat st;
	CLOSE_FD int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		for (off_t at = 0; at < st.st_size;) {
			const off_t left = st.st_size - at, most = (off_t)sizeof zeros;
			const ssize_t n = write(fd, zeros, (size_t)(left < most ? left : most));
			if (n <= 0)
				break;
			at += n;
		}
	}
	unlinkat(dir, name, 0);
}

void entered_wipe(const char *dir, const char *who)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d))) {
		const char *name = entry->d_name;
		const size_t len = who ? strlen(who) : 0;
		if (name[0] != '.' && (!who || (!strncmp(name, who, len) && name[len] == '-')))
			wipe_file(dirfd(d), name);
	}
	closedir(d);
	rmdir(dir);
}
