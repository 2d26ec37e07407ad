#include "source/sftp_hosts.h"

#include <stdio.h>
#include <string.h>

#include <mbedtls/base64.h>
#include <mbedtls/md.h>

#include "base/ascii.h"

enum { SHA1 = 20, NAME_MAX_BYTES = 512 };

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Linear in the pattern's stars: the last one alone is taken back. */
static bool is_like(struct str name, struct str pattern)
{
	size_t n = 0, p = 0, star = SIZE_MAX, from = 0;

	while (n < name.len) {
		if (p < pattern.len && pattern.p[p] == '*') {
			star = p++;
			from = n;
		} else if (p < pattern.len &&
			   (pattern.p[p] == '?' || lower(pattern.p[p]) == lower(name.p[n]))) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.p[p] == '*')
		p++;
	return p == pattern.len;
}

static bool unbase64(uint8_t out[SHA1], struct str text)
{
	size_t len = 0;

	return !mbedtls_base64_decode(out, SHA1, &len, (const unsigned char *)text.p, text.len) &&
	       len == SHA1;
}

static bool is_hashed_name(struct str name, struct str hashed)
{
	uint8_t salt[SHA1], wanted[SHA1], is[SHA1];
	char plain[NAME_MAX_BYTES];
	struct str salt_text, hash_text;

	if (name.len > sizeof plain ||
		!str_cut(&salt_text, &hash_text, (struct str){ hashed.p + 3, hashed.len - 3 }, '|'))
		return false;
	if (!unbase64(salt, salt_text) || !unbase64(wanted, hash_text))
		return false;
	for (size_t i = 0; i < name.len; i++)
		plain[i] = lower(name.p[i]);
	if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), salt, SHA1,
		    (const unsigned char *)plain, name.len, is))
		return false;
	return !memcmp(is, wanted, SHA1);
}

static bool names_match(struct str names, struct str name)
{
	struct str one;
	bool match = false;

	if (str_starts(names, STR("|1|")))
		return is_hashed_name(name, names);
	while (str_next(&one, &names, ',')) {
		if (one.len && *one.p == '!') {
			if (is_like(name, (struct str){ one.p + 1, one.len - 1 }))
				return false;
		} else if (is_like(name, one)) {
			match = true;
		}
	}
	return match;
}

static unsigned type_of(struct str word)
{
	if (str_is(word, "ssh-ed25519"))
		return SFTP_KEY_ED25519;
	if (str_starts(word, STR("ecdsa-sha2-nistp")))
		return SFTP_KEY_ECDSA;
	return str_is(word, "ssh-rsa") ? SFTP_KEY_RSA : 0;
}

/* The padding is a matter of taste; all else is not. */
static bool same_key(struct str a, struct str b)
{
	while (a.len && a.p[a.len - 1] == '=')
		a.len--;
	while (b.len && b.p[b.len - 1] == '=')
		b.len--;
	return a.len && str_equal(a, b);
}

static void take_line(struct sftp_hosts_answer *answer, struct str line, unsigned number,
	const struct sftp_host *host, struct str with_port)
{
	struct str names, type, key;
	bool revoked = false;

	if (!str_word(&names, &line) || *names.p == '#')
		return;
	if (*names.p == '@') {
		revoked = str_is(names, "@revoked");
		if (!revoked || !str_word(&names, &line))
			return;
	}
	if (!str_word(&type, &line) || !str_word(&key, &line) || !type_of(type))
		return;
	const bool exact = names_match(names, with_port);
	if (!exact && !names_match(names, str_from(host->name)))
		return;
	const bool same =
		host->key && str_is(type, host->type) && same_key(key, str_from(host->key));
	if (revoked) {
		answer->revoked |= same;
		return;
	}
	answer->types |= type_of(type);
	answer->known |= same;
	if (exact && host->key && !same && str_is(type, host->type) && !answer->changed_line)
		answer->changed_line = number;
}

void sftp_hosts_ask(struct sftp_hosts_answer *answer, struct str text, const struct sftp_host *host)
{
	char with_port[NAME_MAX_BYTES];
	unsigned number = 0;
	struct str line;

	const int len = host->port == 22 ? snprintf(with_port, sizeof with_port, "%s", host->name)
					 : snprintf(with_port, sizeof with_port, "[%s]:%u",
						   host->name, host->port);
	if (len < 0 || (size_t)len >= sizeof with_port)
		return;
	while (str_next(&line, &text, '\n'))
		take_line(answer, line, ++number, host, (struct str){ with_port, (size_t)len });
}
