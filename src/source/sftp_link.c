#include "source/sftp_link.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/dial.h"
#include "os/file.h"
#include "source/sftp_hosts.h"
#include "source/sftp_login.h"

enum { HOSTS_MAX = 4 << 20, PATH_TEXT = 512, DIAL_MS = 10000, PIN_DIGITS = 43 };
enum { ALL_TYPES = SFTP_KEY_ED25519 | SFTP_KEY_ECDSA | SFTP_KEY_RSA };

/* What our crypto library does fastest, AES by the processor's own instructions, goes first. */
static const char ciphers[] = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
			      "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr";

static const struct {
	unsigned type;
	const char *algorithms;
} key_types[] = {
	{ SFTP_KEY_ED25519, "ssh-ed25519" },
	{ SFTP_KEY_ECDSA, "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521" },
	{ SFTP_KEY_RSA, "rsa-sha2-512,rsa-sha2-256" },
};

/* The key a server showed, as text. */
struct shown {
	char type[32];
	char *base64;
	char fingerprint[64];
};

int sftp_link_check_pin(const char *host_key, struct err *e)
{
	static const char hint[] = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the server";
	struct str pin = str_from(host_key);

	if (str_starts(pin, STR("MD5:")) || (pin.len == 47 && pin.p[2] == ':'))
		return err_set(e, ERR_USAGE,
			"--host-key (sftp.host-key in a plan): an MD5 fingerprint can be forged; "
			"give the SHA256:... that "
			"%s tells",
			hint);
	if (!str_starts(pin, STR("SHA256:")))
		return err_set(e, ERR_USAGE,
			"--host-key (sftp.host-key in a plan): must begin with SHA256:, as %s "
			"tells it",
			hint);
	pin = (struct str){ pin.p + 7, pin.len - 7 };
	while (pin.len && pin.p[pin.len - 1] == '=')
		pin.len--;
	if (pin.len != PIN_DIGITS)
		return err_set(e, ERR_USAGE,
			"--host-key (sftp.host-key in a plan): %d letters and digits follow "
			"SHA256:, here %zu do",
			PIN_DIGITS, pin.len);
	return 0;
}

static bool is_pin(const char *host_key, const char *fingerprint)
{
	return strlen(fingerprint) == 7 + PIN_DIGITS &&
	       !strncmp(host_key, fingerprint, 7 + PIN_DIGITS);
}

static int ask_file(struct sftp_hosts_answer *answer, const struct root *root, const char *path,
	const struct sftp_host *host, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(HOSTS_MAX);

	if (file_read(&text, root, path, e))
		return err_wrap(e, "known_hosts");
	sftp_hosts_ask(answer, buf_text(&text), host);
	return 0;
}

/* One file that is named must be there; of the usual ones any may be missing. */
static int ask_hosts(struct sftp_hosts_answer *answer, const struct source_settings *settings,
	const struct sftp_host *host, struct err *e)
{
	const char *home = getenv("HOME"), *named = settings->sftp.known_hosts;
	char own[PATH_TEXT];

	*answer = (struct sftp_hosts_answer){ 0 };
	if (named && str_starts(str_from(named), STR("file:")))
		named += strlen("file:");
	if (named)
		return ask_file(answer, settings->root, named, host, e);
	snprintf(own, sizeof own, "%s/.ssh/known_hosts", home ? home : "/root");
	const char *const usual[] = { own, "/etc/ssh/ssh_known_hosts",
		"/etc/etcd-rescue/known_hosts" };
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		if (root_exists(settings->root, usual[i]) &&
			ask_file(answer, settings->root, usual[i], host, e))
			return e->code;
	}
	return 0;
}

static int look_at_key(struct shown *shown, ssh_session ssh, struct err *e)
{
	unsigned char *hash = NULL;
	ssh_key key = NULL;
	size_t len = 0;
	char *text = NULL;

	if (ssh_get_server_publickey(ssh, &key) ||
		ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) ||
		ssh_pki_export_pubkey_base64(key, &shown->base64) ||
		!(text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len)))
		err_set(e, ERR_FORMAT, "the server's key cannot be read: %s", ssh_get_error(ssh));
	else
		e->code = ERR_OK;
	if (!e->code) {
		snprintf(shown->fingerprint, sizeof shown->fingerprint, "%s", text);
		const char *type = ssh_key_type_to_char(ssh_key_type(key));
		snprintf(shown->type, sizeof shown->type, "%s", type ? type : "?");
	}
	ssh_string_free_char(text);
	ssh_clean_pubkey_hash(&hash);
	ssh_key_free(key);
	return e->code;
}

static int judge_hosts(const struct sftp_hosts_answer *answer, const struct sftp_address *address,
	const struct shown *shown, struct err *e)
{
	if (answer->revoked)
		return err_set(e, ERR_AUTH,
			"%s shows the key %s %s, which known_hosts says is revoked: do not trust "
			"this server",
			address->host, shown->type, shown->fingerprint);
	if (answer->known)
		return 0;
	if (answer->changed_line)
		return err_set(e, ERR_AUTH,
			"THE KEY OF %s HAS CHANGED: it shows %s %s, line %u of known_hosts says "
			"another; someone may be in between. Ask its owner; if it is right, give "
			"it "
			"with --host-key (sftp.host-key in a plan)",
			address->host, shown->type, shown->fingerprint, answer->changed_line);
	return err_set(e, ERR_AUTH,
		"%s is not known: it shows the key %s %s; if that is the server's own (ask its "
		"owner), "
		"give it with --host-key %s (sftp.host-key in a plan)",
		address->host, shown->type, shown->fingerprint, shown->fingerprint);
}

/* ERR_AUTH for the wrong key. */
static int check_key(struct shown *shown, ssh_session ssh, const struct sftp_address *address,
	const struct source_settings *settings, struct err *e)
{
	struct sftp_hosts_answer answer;

	if (look_at_key(shown, ssh, e))
		return err_wrap(e, "%s", address->host);
	event_debug(settings->listener, "sftp", "%s shows the key %s %s", address->host,
		shown->type, shown->fingerprint);
	if (settings->sftp.host_key) {
		if (is_pin(settings->sftp.host_key, shown->fingerprint))
			return 0;
		return err_set(e, ERR_AUTH,
			"%s SHOWS ANOTHER KEY than --host-key (sftp.host-key in a plan) says: %s "
			"%s instead of %.50s; "
			"someone may be in between, or the server was set up anew: ask its owner",
			address->host, shown->type, shown->fingerprint, settings->sftp.host_key);
	}
	const struct sftp_host host = { address->host, address->port, shown->type, shown->base64 };
	if (ask_hosts(&answer, settings, &host, e))
		return e->code;
	return judge_hosts(&answer, address, shown, e);
}

/* First the types that are listed, so that the server shows a key which can be compared. */
static void order_types(char *out, size_t size, unsigned first, unsigned types)
{
	const unsigned parts[] = { types & first, types & ~first };

	*out = 0;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof key_types / sizeof *key_types; k++) {
			const size_t len = strlen(out);
			if (parts[i] & key_types[k].type)
				snprintf(out + len, size - len, "%s%s", len ? "," : "",
					key_types[k].algorithms);
		}
	}
}

/* The image's first login may come before the kernel has gathered its first random numbers. */
static int start_library(
	struct sftp_link *link, const struct source_settings *settings, struct err *e)
{
	char byte;

	if (getrandom(&byte, 1, GRND_NONBLOCK) < 0 && errno == EAGAIN)
		event_info(settings->listener, "sftp", "waiting for the kernel's random numbers");
	if (ssh_init())
		return err_set(e, ERR_BUG, "the SSH library does not start");
	link->started = true;
	return 0;
}

static const char *login_name(const struct sftp_address *address)
{
	const struct passwd *self = address->user ? NULL : getpwuid(geteuid());

	return address->user ? address->user : self ? self->pw_name : "root";
}

static int set_options(ssh_session ssh, const struct sftp_address *address, int fd, unsigned first,
	unsigned types, struct err *e)
{
	const int no = 0;
	const long timeout_s = SFTP_LINK_STALL_S;
	const unsigned port = address->port;
	char host_keys[256];

	order_types(host_keys, sizeof host_keys, first, types);
	/* The files it would look into by itself are not below our root: none is. */
	const bool bad = ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &(bool){ false }) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_SSH_DIR, "/dev/null") < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_USER, login_name(address)) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_HOST, address->host) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_PORT, &port) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_TIMEOUT, &timeout_s) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_GSSAPI_AUTH, &no) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION, "no") < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_CIPHERS_C_S, ciphers) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_CIPHERS_S_C, ciphers) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_HOSTKEYS, host_keys) < 0 ||
			 ssh_options_set(ssh, SSH_OPTIONS_FD, &fd) < 0;
	return bad ? err_set(e, ERR_USAGE, "sftp: %s: %s", address->host, ssh_get_error(ssh)) : 0;
}

static int shake_hands(struct sftp_link *link, const struct sftp_address *address, unsigned first,
	unsigned types, struct err *e)
{
	int fd = -1;

	link->ssh = ssh_new();
	if (!link->ssh)
		out_of_memory(0);
	if (net_dial(&fd, address->host, address->port, DIAL_MS, e))
		return e->code;
	if (set_options(link->ssh, address, fd, first, types, e)) {
		close(fd);
		return e->code;
	}
	if (ssh_connect(link->ssh) == SSH_OK)
		return 0;
	return err_set(e, ERR_NET, "%s port %u: no SSH connection: %s", address->host,
		address->port, ssh_get_error(link->ssh));
}

static void hang_up(struct sftp_link *link)
{
	if (link->sftp)
		sftp_free(link->sftp);
	link->sftp = NULL;
	if (link->ssh) {
		ssh_disconnect(link->ssh);
		ssh_free(link->ssh);
	}
	link->ssh = NULL;
}

/* A server has a key of each type and the one that is pinned need not be what we ask for first. */
static int meet(struct sftp_link *link, const struct sftp_address *address,
	const struct source_settings *settings, struct err *e)
{
	const struct sftp_host host = { address->host, address->port, NULL, NULL };
	struct sftp_hosts_answer listed = { 0 };
	unsigned types = ALL_TYPES;
	bool wrong = false;

	if (!settings->sftp.host_key && ask_hosts(&listed, settings, &host, e))
		return e->code;
	for (;;) {
		struct shown shown = { 0 };
		struct err why;
		if (shake_hands(link, address, listed.types, types, &why)) {
			/* No key is left to show: what was wrong with the last one stands. */
			if (!wrong)
				*e = why;
			return e->code;
		}
		const int result = check_key(&shown, link->ssh, address, settings, e);
		const unsigned seen = !strcmp(shown.type, "ssh-ed25519") ? SFTP_KEY_ED25519
				      : !strcmp(shown.type, "ssh-rsa")   ? SFTP_KEY_RSA
									 : SFTP_KEY_ECDSA;
		ssh_string_free_char(shown.base64);
		types &= ~seen;
		if (!result || result != ERR_AUTH || !settings->sftp.host_key || !types)
			return result;
		wrong = true;
		hang_up(link);
	}
}

static int begin_sftp(struct sftp_link *link, const struct sftp_address *address, struct err *e)
{
	link->sftp = sftp_new(link->ssh);
	if (!link->sftp || sftp_init(link->sftp)) {
		if (!ssh_is_connected(link->ssh))
			return err_set(e, ERR_NET, "%s: the connection ended: %s", address->host,
				ssh_get_error(link->ssh));
		return err_set(e, ERR_UNSUPPORTED,
			"%s: the server has no SFTP, or not for this user: %s", address->host,
			ssh_get_error(link->ssh));
	}
	sftp_limits_t limits = sftp_limits(link->sftp);
	link->max_read = limits && limits->max_read_length ? limits->max_read_length : 32768;
	sftp_limits_free(limits);
	return 0;
}

int sftp_link_open(struct sftp_link *link, const struct sftp_address *address,
	const struct source_settings *settings, struct err *e)
{
	*link = (struct sftp_link){ 0 };
	if (start_library(link, settings, e))
		return e->code;
	if (meet(link, address, settings, e) || sftp_login(link->ssh, address, settings, e) ||
		begin_sftp(link, address, e)) {
		const struct err why = *e;
		sftp_link_close(link);
		*e = why;
		return e->code;
	}
	event_debug(settings->listener, "sftp", "%s: logged in; %s, reads of %zu bytes",
		address->host, ssh_get_cipher_in(link->ssh), link->max_read);
	return 0;
}

void sftp_link_close(struct sftp_link *link)
{
	hang_up(link);
	if (link->started)
		ssh_finalize();
	link->started = false;
}
