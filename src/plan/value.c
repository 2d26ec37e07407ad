#include "plan/value.h"

#include <string.h>

#include "base/ascii.h"
#include "codec/rfc3339.h"
#include "node/cmdline.h"
#include "plan/value_address.h"
#include "plan/value_words.h"

enum { MAX_TEXT = 4096 };

static const uint64_t max_count = 1ull << 60; /* revisions are signed 64-bit numbers */

static char *lower(struct arena *a, struct str s)
{
	char *copy = arena_copy(a, s);

	for (char *p = copy; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return copy;
}

static int set_file(const char **out, struct arena *a, struct str text, struct err *e)
{
	struct str path = text;

	if (str_starts(path, STR("-----BEGIN")))
		return err_set(e, ERR_FORMAT,
			VALUE_NO_SECRETS "put this into a file and name the file here");
	if (str_starts(path, STR("file:")))
		path = (struct str){ path.p + 5, path.len - 5 };
	if (str_starts(path, STR("///")))
		path = (struct str){ path.p + 2, path.len - 2 };
	if (path.len < 2 || path.p[0] != '/')
		return value_bad(e, text, "no path from the root, such as file:/media/ca.pem");
	*out = arena_copy(a, path);
	return 0;
}

/* "keep", "file:/path" */
static int set_choice(
	const char **out, const char *words, struct arena *a, struct str text, struct err *e)
{
	struct str head, rest;
	size_t at;
	bool takes_more = false;

	if (!value_find_word(&at, &takes_more, words, text))
		return value_none_of(e, words, text);
	if (takes_more) {
		str_cut(&head, &rest, text, ':');
		if (rest.len < 2 || rest.p[0] != '/')
			return value_bad(e, text, "no path from the root, such as file:/media/key");
	}
	*out = arena_copy(a, text);
	return 0;
}

static int set_mac(const char **out, struct arena *a, struct str text, struct err *e)
{
	if (text.len != 17)
		return value_bad(e, text, "no MAC address, such as 52:54:00:12:34:56");
	for (size_t i = 0; i < 17; i++) {
		const char c = text.p[i];
		if (i % 3 == 2 ? c != ':' && c != '-' : !ascii_is_hex(c))
			return value_bad(e, text, "no MAC address, such as 52:54:00:12:34:56");
	}
	char *mac = lower(a, text);
	for (size_t i = 2; i < 17; i += 3)
		mac[i] = ':';
	*out = mac;
	return 0;
}

static int set_uuid(const char **out, struct arena *a, struct str text, struct err *e)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	bool good = text.len == sizeof shape - 1;

	for (size_t i = 0; good && i < text.len; i++)
		good = shape[i] == '-' ? text.p[i] == '-' : ascii_is_hex(text.p[i]);
	if (!good)
		return value_bad(e, text, "no UUID; the machine's own: etcd-rescue boot --dry-run");
	*out = lower(a, text);
	return 0;
}

static int set_sha256(const char **out, struct arena *a, struct str text, struct err *e)
{
	bool good = text.len == 64;

	for (size_t i = 0; good && i < text.len; i++)
		good = ascii_is_hex(text.p[i]);
	if (!good)
		return value_bad(e, text, "no SHA-256: 64 hexadecimal digits, as sha256sum prints");
	*out = lower(a, text);
	return 0;
}

static int set_fingerprint(const char **out, struct arena *a, struct str text, struct err *e)
{
	const struct str prefix = STR("SHA256:");
	bool good = text.len == prefix.len + 43 && str_starts(text, prefix);

	for (size_t i = prefix.len; good && i < text.len; i++)
		good = ascii_is_letter(text.p[i]) || ascii_is_digit(text.p[i]) ||
		       strchr("+/", text.p[i]);
	if (!good)
		return value_bad(e, text,
			"no fingerprint: SHA256: and 43 letters, as ssh-keygen -lf prints");
	*out = arena_copy(a, text);
	return 0;
}

/* crypt(5): $5$ and $6$, an optional rounds=N$, a salt, 43 or 86 letters. */
static int set_hash(const char **out, struct arena *a, struct str text, struct err *e)
{
	const bool is_512 = str_starts(text, STR("$6$"));
	struct str rest = { text.p + 3, text.len - 3 }, salt, hash;
	bool good = text.len < 200 && (is_512 || str_starts(text, STR("$5$")));

	if (good && str_starts(rest, STR("rounds=")))
		good = str_cut(&salt, &rest, rest, '$');
	good = good && str_cut(&salt, &hash, rest, '$') && salt.len <= 16 &&
	       hash.len == (is_512 ? 86 : 43);
	for (size_t i = 0; good && i < text.len; i++)
		good = ascii_is_letter(text.p[i]) || ascii_is_digit(text.p[i]) ||
		       strchr("$./=", text.p[i]);
	/* It may be the password itself, so it is not repeated. */
	if (!good)
		return err_set(e, ERR_FORMAT,
			"is no $5$ or $6$ password hash; make one with: openssl passwd -6");
	*out = arena_copy(a, text);
	return 0;
}

static int set_network(const char **out, struct arena *a, struct str text, struct err *e)
{
	struct network network = { 0 };

	if (!text.len)
		return value_bad(e, text, "say ip=dhcp");
	if (node_cmdline_network(&network, a, text, e))
		return e->code = ERR_FORMAT; /* it is a file that is wrong, not a call */
	*out = arena_copy(a, text);
	return 0;
}

static int set_checked(const char **out, bool good, struct arena *a, struct str text,
	const char *what, struct err *e)
{
	if (!good)
		return value_bad(e, text, what);
	*out = arena_copy(a, text);
	return 0;
}

static bool is_one_line(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

static int set_text(const char **out, struct arena *a, struct str text, struct err *e)
{
	if (str_starts(text, STR("-----BEGIN")))
		return err_set(e, ERR_FORMAT, VALUE_NO_SECRETS "this looks like a key");
	return set_checked(out, text.len, a, text, "say something", e);
}

static int set_typed(const char **out, const struct schema_row *row, struct arena *a,
	struct str text, struct err *e)
{
	const char *words = row->words ? row->words : "";

	if (text.len > MAX_TEXT)
		return value_bad(e, text, "too long");
	if (!is_one_line(text) && !str_starts(text, STR("-----BEGIN")))
		return value_bad(e, text, "not one line of text");
	switch (row->type) {
	case SCHEMA_TEXT:
		return set_text(out, a, text, e);
	case SCHEMA_NAME:
		return set_checked(out, value_is_name(text), a, text,
			"no name: letters, digits, '-', '_' and '.'", e);
	case SCHEMA_CHOICE:
		return set_choice(out, words, a, text, e);
	case SCHEMA_URL:
		return value_set_url(out, words, a, text, e);
	case SCHEMA_PEER_URL:
		return value_set_peer(out, a, text, e);
	case SCHEMA_FILE:
		return set_file(out, a, text, e);
	case SCHEMA_HOST:
		return set_checked(out, value_is_host(text), a, text,
			"neither a host name nor an IP address", e);
	case SCHEMA_HOST_PORT:
		return set_checked(out, value_is_host_port(text), a, text,
			"not HOST:PORT, such as logs:514", e);
	case SCHEMA_IDENTITY:
		return set_checked(out, value_is_host(text), a, text,
			"neither an IP address nor the name of a node", e);
	case SCHEMA_IP:
		return set_checked(out, value_is_ip(text), a, text, "no IP address", e);
	case SCHEMA_MAC:
		return set_mac(out, a, text, e);
	case SCHEMA_UUID:
		return set_uuid(out, a, text, e);
	case SCHEMA_SHA256:
		return set_sha256(out, a, text, e);
	case SCHEMA_FINGERPRINT:
		return set_fingerprint(out, a, text, e);
	case SCHEMA_HASH:
		return set_hash(out, a, text, e);
	case SCHEMA_NETWORK:
		return set_network(out, a, text, e);
	default:
		return err_set(e, ERR_BUG, "key %s has no type of text", row->key);
	}
}

/* Keys that name a file with a secret: somebody may have put the secret itself there. */
static bool is_near_secret(const char *key)
{
	static const char *const last[] = { ".secret", ".sse-key", ".identity", ".client-key",
		".credentials" };

	for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
		if (str_ends(str_from(key), str_from(last[i])))
			return true;
	}
	return false;
}

int value_text(const char **out, const struct schema_row *row, struct arena *a, struct str text,
	struct err *e)
{
	char list[VALUE_WORDS_MAX];

	if (!set_typed(out, row, a, text, e))
		return 0;
	if (e->code != ERR_FORMAT || e->text[0] != '\'' || str_starts(text, STR("file:")) ||
		!is_near_secret(row->key))
		return e->code;
	if (row->type != SCHEMA_CHOICE)
		return err_set(e, ERR_FORMAT,
			"is no path from the root, such as file:/media/key (not repeated: it could "
			"be the secret itself)");
	value_list_words(list, row->words);
	return err_set(e, ERR_FORMAT,
		"is none of: %s (not repeated: it could be the keys themselves)", list);
}

static int set_bool(bool *out, struct str text, struct err *e)
{
	const bool yes = str_is(text, "yes") || str_is(text, "true");

	if (!yes && !str_is(text, "no") && !str_is(text, "false"))
		return value_bad(e, text, "neither yes nor no");
	*out = yes;
	return 0;
}

static int set_count(uint64_t *out, const struct schema_row *row, struct str text, struct err *e)
{
	uint64_t n;

	if (row->type == SCHEMA_GENERATION) {
		if (!str_u64(&n, text, 10, UINT32_MAX) || !n)
			return value_bad(e, text, "no whole number from 1 to 4294967295");
		*out = n;
		return 0;
	}
	if (str_is(text, "auto"))
		*out = UINT64_MAX;
	else if (str_is(text, "no"))
		*out = 0;
	else if (!str_u64(out, text, 10, max_count))
		return value_bad(e, text, "neither auto nor no nor a whole number, digits only");
	return 0;
}

int value_set(
	void *field, const struct schema_row *row, struct arena *a, struct str text, struct err *e)
{
	size_t at;
	bool takes_more;

	switch (row->type) {
	case SCHEMA_WORD:
		if (!value_find_word(&at, &takes_more, row->words, text))
			return value_none_of(e, row->words, text);
		*(unsigned *)field = (unsigned)at;
		return 0;
	case SCHEMA_BOOL:
		return set_bool(field, text, e);
	case SCHEMA_COUNT:
	case SCHEMA_GENERATION:
		return set_count(field, row, text, e);
	case SCHEMA_TIME:
		if (!rfc3339_parse(field, text))
			return value_bad(e, text, "no time with a zone, such as 2026-11-20T18:00Z");
		return 0;
	case SCHEMA_DURATION:
		if (!duration_parse(field, text))
			return value_bad(e, text, "no duration, such as 90s, 15m or 1h30m");
		return 0;
	default:
		return value_text(field, row, a, text, e);
	}
}

bool value_key_is_secret(struct str key)
{
	static const char *const parts[] = { "password", "passwd", "passphrase", "secret",
		"access-key", "accesskey", "access_key", "private-key", "private_key", "api-key",
		"session-token" };
	size_t at;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (str_find(&at, key, str_from(parts[i])))
			return true;
	}
	return false;
}
