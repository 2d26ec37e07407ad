#include "source/sftp_login.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <mbedtls/base64.h>

#include "base/buf.h"
#include "os/file.h"

enum { KEY_FILE_MAX = 64 * 1024, QUESTIONS_MAX = 4, PATH_TEXT = 512 };
enum { FS_VFAT = 0x4d44, FS_ISO9660 = 0x9660 };

static const unsigned by_password = SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE;

static const char *const usual[] = { "id_ed25519", "id_ecdsa", "id_rsa" };

struct login {
	ssh_session ssh;
	const struct sftp_address *address;
	const struct source_settings *settings;
	const char *user;
	const char *password; /* NULL: none, or it has opened a key */
	bool key_refused;
	bool password_refused;
	char fingerprint[64]; /* of the key that was refused last */
};

bool sftp_login_is_locked(struct str key)
{
	static const char mark[] = "openssh-key-v1";
	static const uint8_t none[] = { 0, 0, 0, 4, 'n', 'o', 'n', 'e' };
	uint8_t head[48];
	char first[64];
	size_t at, len = 0, n = 0;

	if (str_find(&at, key, STR("BEGIN ENCRYPTED PRIVATE KEY")) ||
		str_find(&at, key, STR("Proc-Type: 4,ENCRYPTED")))
		return true;
	if (!str_find(&at, key, STR("BEGIN OPENSSH PRIVATE KEY-----")))
		return false;
	for (at += strlen("BEGIN OPENSSH PRIVATE KEY-----"); at < key.len && n < sizeof first; at++)
		if (key.p[at] > ' ')
			first[n++] = key.p[at];
	if (mbedtls_base64_decode(head, sizeof head, &len, (const unsigned char *)first, n) ||
		len < sizeof mark + sizeof none || memcmp(head, mark, sizeof mark))
		return false;
	return memcmp(head + sizeof mark, none, sizeof none) != 0;
}

/* A removable volume of a simple kind has no modes to speak of. */
static void warn_of_open_mode(const struct login *l, const char *path)
{
	CLOSE_FD int fd = -1;
	struct statfs fs;
	struct stat st;
	struct err e;

	if (root_open_at(&fd, l->settings->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &e) ||
		fstat(fd, &st) || fstatfs(fd, &fs) || fs.f_type == FS_VFAT ||
		fs.f_type == FS_ISO9660 || !(st.st_mode & (S_IRWXG | S_IRWXO)))
		return;
	event_warning(l->settings->listener, "sftp",
		"%s: the private key can be read by others than its owner; chmod 600", path);
}

static int read_key(ssh_key *key, struct login *l, const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(KEY_FILE_MAX);

	if (file_read(&text, l->settings->root, path, e) || buf_add(&text, "", 1, e))
		return err_wrap(e, "private key");
	const char *pem = (const char *)text.p;
	const bool locked = sftp_login_is_locked(buf_text(&text));
	const char *passphrase = locked ? l->settings->sftp.secret : NULL;
	int result = 0;

	if (locked && !passphrase)
		result = err_set(e, ERR_AUTH,
			"private key %s is locked with a passphrase, and none was given", path);
	else if (ssh_pki_import_privkey_base64(pem, passphrase, NULL, NULL, key))
		result = locked ? err_set(e, ERR_AUTH,
					  "private key %s does not open with the passphrase "
					  "that was given",
					  path)
				: err_set(e, ERR_FORMAT,
					  "%s: is no private key of a kind known here (Ed25519, "
					  "ECDSA or RSA, OpenSSH's own format or PEM)",
					  path);
	else if (locked && passphrase == l->password)
		l->password = NULL; /* it has done its work and is nobody else's business */
	explicit_bzero(text.p, text.len);
	return result;
}

/* What the server would go on with. */
static unsigned methods_of(const struct login *l)
{
	return (unsigned)ssh_userauth_list(l->ssh, NULL);
}

static int lost(const struct login *l, struct err *e)
{
	return err_set(e, ERR_NET, "%s: the connection ended while logging in: %s",
		l->address->host, ssh_get_error(l->ssh));
}

/* What a method came to: 1 in, 0 not, or an error.  Another method may have to follow. */
static int outcome(const struct login *l, int auth, struct err *e)
{
	if (auth == SSH_AUTH_SUCCESS)
		return 1;
	if (auth == SSH_AUTH_ERROR || auth == SSH_AUTH_AGAIN || !ssh_is_connected(l->ssh))
		return lost(l, e);
	return 0;
}

static void remember_key(struct login *l, ssh_key key)
{
	unsigned char *hash = NULL;
	size_t len = 0;

	l->key_refused = true;
	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len))
		return;
	char *text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
	snprintf(l->fingerprint, sizeof l->fingerprint, "%s", text ? text : "");
	ssh_string_free_char(text);
	ssh_clean_pubkey_hash(&hash);
}

static int offer_key(struct login *l, ssh_key key, const char *path, struct err *e)
{
	event_debug(l->settings->listener, "sftp", "offering the key %s as %s", path, l->user);
	const int auth = ssh_userauth_publickey(l->ssh, NULL, key);
	if (auth == SSH_AUTH_DENIED)
		remember_key(l, key);
	return outcome(l, auth, e);
}

/* The named key is opened even where the server takes none: what opens it must not be taken for
 * a password. */
static int try_key(struct login *l, const char *path, struct err *e)
{
	ssh_key key = NULL;
	int in = 0;

	if (read_key(&key, l, path, e))
		return e->code;
	warn_of_open_mode(l, path);
	if (methods_of(l) & SSH_AUTH_METHOD_PUBLICKEY)
		in = offer_key(l, key, path, e);
	ssh_key_free(key);
	return in;
}

static int try_usual_keys(struct login *l, struct err *e)
{
	const char *home = getenv("HOME");

	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		char path[PATH_TEXT];
		struct err why;
		if (snprintf(path, sizeof path, "%s/.ssh/%s", home ? home : "/root", usual[i]) >=
				(int)sizeof path ||
			!root_exists(l->settings->root, path))
			continue;
		const int in = try_key(l, path, &why);
		if (in > 0)
			return in;
		if (in == ERR_NET) {
			*e = why;
			return in;
		}
		if (in)
			event_debug(l->settings->listener, "sftp", "%s", why.text);
		/* Half way in: the server wants something else as well. */
		if (!(methods_of(l) & SSH_AUTH_METHOD_PUBLICKEY))
			break;
	}
	return 0;
}

/* One hidden question is for the password; whatever else is asked nobody is there to answer. */
static int try_questions(struct login *l, struct err *e)
{
	int auth = ssh_userauth_kbdint(l->ssh, NULL, NULL);
	bool answered = false;

	for (int round = 0; auth == SSH_AUTH_INFO && round < QUESTIONS_MAX; round++) {
		const int n = ssh_userauth_kbdint_getnprompts(l->ssh);
		for (int i = 0; i < n; i++) {
			char echo = 0;
			const char *question =
				ssh_userauth_kbdint_getprompt(l->ssh, (unsigned)i, &echo);
			if (echo || answered)
				return err_set(e, ERR_AUTH,
					"%s asks '%.80s' after the password; that cannot be "
					"answered here: log in with a key",
					l->address->host, question ? question : "");
			if (ssh_userauth_kbdint_setanswer(l->ssh, (unsigned)i, l->password) < 0)
				return err_set(e, ERR_BUG, "%s", ssh_get_error(l->ssh));
			answered = true;
		}
		auth = ssh_userauth_kbdint(l->ssh, NULL, NULL);
	}
	l->password_refused |= auth == SSH_AUTH_DENIED || auth == SSH_AUTH_INFO;
	return auth == SSH_AUTH_INFO ? 0 : outcome(l, auth, e);
}

static int try_password(struct login *l, unsigned methods, struct err *e)
{
	int in = 0;

	if (methods & SSH_AUTH_METHOD_PASSWORD) {
		event_debug(l->settings->listener, "sftp", "trying the password as %s", l->user);
		const int auth = ssh_userauth_password(l->ssh, NULL, l->password);
		l->password_refused |= auth == SSH_AUTH_DENIED;
		in = outcome(l, auth, e);
		if (in || auth == SSH_AUTH_PARTIAL || auth == SSH_AUTH_DENIED)
			return in;
	}
	return methods & SSH_AUTH_METHOD_INTERACTIVE ? try_questions(l, e) : in;
}

static const char *words(char *out, size_t size, unsigned methods)
{
	snprintf(out, size, "%s%s%s", methods & SSH_AUTH_METHOD_PUBLICKEY ? " a key," : "",
		methods & SSH_AUTH_METHOD_PASSWORD ? " a password," : "",
		methods & SSH_AUTH_METHOD_INTERACTIVE ? " answers to questions," : "");
	if (*out)
		out[strlen(out) - 1] = 0;
	return *out ? out : " nothing that is known here";
}

static int refused(const struct login *l, unsigned methods, struct err *e)
{
	const char *host = l->address->host;
	char list[80];

	if (l->password_refused)
		return err_set(e, ERR_AUTH, "%s refuses the password of %s", host, l->user);
	if (l->key_refused)
		return err_set(e, ERR_AUTH,
			"%s refuses the key %s for %s; its .pub belongs into that user's "
			"authorized_keys there",
			host, l->fingerprint, l->user);
	return err_set(e, ERR_AUTH,
		"%s lets %s in with%s; give --identity or --secret-file (sftp.identity, "
		"sftp.secret in a plan)",
		host, l->user, words(list, sizeof list, methods));
}

static int log_in(struct login *l, struct err *e)
{
	const char *identity = l->settings->sftp.identity;
	const int none = ssh_userauth_none(l->ssh, NULL);
	int in = outcome(l, none, e);

	if (in)
		return in;
	if (identity) {
		if (str_starts(str_from(identity), STR("file:")))
			identity += strlen("file:");
		in = try_key(l, identity, e);
		if (in)
			return in;
	}
	if (l->password && methods_of(l) & by_password) {
		in = try_password(l, methods_of(l), e);
		if (in)
			return in;
	}
	if (!identity && methods_of(l) & SSH_AUTH_METHOD_PUBLICKEY) {
		in = try_usual_keys(l, e);
		if (in)
			return in;
	}
	/* The key was the first of two things that are wanted. */
	if (l->password && !l->password_refused && methods_of(l) & by_password) {
		in = try_password(l, methods_of(l), e);
		if (in)
			return in;
	}
	return refused(l, methods_of(l), e);
}

int sftp_login(ssh_session ssh, const struct sftp_address *address,
	const struct source_settings *settings, struct err *e)
{
	struct login l = { .ssh = ssh, .address = address, .settings = settings };
	char *user = NULL;

	l.password = address->password ? address->password : settings->sftp.secret;
	if (ssh_options_get(ssh, SSH_OPTIONS_USER, &user))
		return err_set(e, ERR_BUG, "%s", ssh_get_error(ssh));
	l.user = user;
	const int in = log_in(&l, e);
	ssh_string_free_char(user);
	return in > 0 ? 0 : in;
}
