#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "base/ascii.h"
#include "node/network_words.h"

enum { SHOWN = 80 };

static int shown(struct str s)
{
	return s.len > SHOWN ? SHOWN : (int)s.len;
}

bool network_is_v6(const char *address)
{
	return address && strchr(address, ':');
}

bool network_part(struct str *part, struct str *rest)
{
	size_t len = 0;
	bool inside = false;

	if (!rest->p)
		return false;
	for (; len < rest->len && (inside || rest->p[len] != ':'); len++) {
		if (rest->p[len] == '[')
			inside = true;
		else if (rest->p[len] == ']')
			inside = false;
	}
	*part = (struct str){ rest->p, len };
	/* Unlike str_next: "a:" has two parts, the second one empty. */
	*rest = len < rest->len ? (struct str){ rest->p + len + 1, rest->len - len - 1 }
				: (struct str){ NULL, 0 };
	if (part->len >= 2 && part->p[0] == '[' && part->p[part->len - 1] == ']') {
		part->p++;
		part->len -= 2;
	}
	return true;
}

int network_card(const char **name, struct arena *a, struct str text, struct err *e)
{
	bool good = text.len && text.len < IFNAMSIZ && ascii_is_word(text.p[0]);

	for (size_t i = 1; good && i < text.len; i++)
		good = ascii_is_word(text.p[i]) || strchr("-_.@", text.p[i]);
	if (!good || memchr(text.p, 0, text.len))
		return err_set(e, ERR_USAGE, "'%.*s' is not the name of a network card",
			shown(text), text.p);
	*name = arena_copy(a, text);
	return 0;
}

int network_mac(const char **mac, struct arena *a, struct str text, struct err *e)
{
	char bytes[18];

	if (text.len != 17)
		goto bad;
	for (size_t i = 0; i < 17; i++) {
		const char c = text.p[i];
		if (i % 3 == 2 ? c != ':' && c != '-' : !ascii_is_hex(c))
			goto bad;
		bytes[i] = i % 3 == 2 ? ':' : c >= 'A' && c <= 'F' ? (char)(c + 'a' - 'A') : c;
	}
	*mac = arena_copy(a, (struct str){ bytes, 17 });
	return 0;
bad:
	return err_set(e, ERR_USAGE, "'%.*s' is not a MAC address (52:54:00:12:34:56)", shown(text),
		text.p);
}

int network_address(const char **address, struct arena *a, struct str text, struct err *e)
{
	char copy[INET6_ADDRSTRLEN] = "";
	uint8_t bytes[16];

	if (text.len && text.len < sizeof copy)
		memcpy(copy, text.p, text.len);
	if (inet_pton(strchr(copy, ':') ? AF_INET6 : AF_INET, copy, bytes) != 1 ||
		strlen(copy) != text.len)
		return err_set(e, ERR_USAGE, "'%.*s' is not an IP address%s", shown(text), text.p,
			memchr(text.p, '[', text.len) ? "; brackets do not match" : "");
	*address = arena_copy(a, str_from(copy));
	return 0;
}

int network_number(
	unsigned *v, struct str text, const char *what, unsigned low, unsigned high, struct err *e)
{
	uint64_t got;

	if (!str_u64(&got, text, 10, high) || got < low)
		return err_set(e, ERR_USAGE, "%s '%.*s' is not a number from %u to %u", what,
			shown(text), text.p, low, high);
	*v = (unsigned)got;
	return 0;
}

int network_host(const char **host, struct arena *a, struct str text, struct err *e)
{
	bool good = text.len && text.len <= 253 && text.p[0] != '-';

	for (size_t i = 0; good && i < text.len; i++)
		good = ascii_is_word(text.p[i]) || text.p[i] == '-' || text.p[i] == '.' ||
		       text.p[i] == '_';
	if (!good)
		return err_set(e, ERR_USAGE, "'%.*s' is not a host name", shown(text), text.p);
	*host = arena_copy(a, text);
	return 0;
}

int network_prefix(unsigned *prefix, struct str text, bool v6, struct err *e)
{
	char copy[INET_ADDRSTRLEN] = "";
	uint8_t bytes[4];

	if (v6 || !memchr(text.p, '.', text.len))
		return network_number(prefix, text, "netmask", 0, v6 ? 128 : 32, e);
	if (text.len < sizeof copy)
		memcpy(copy, text.p, text.len);
	if (inet_pton(AF_INET, copy, bytes) == 1) {
		const uint32_t mask = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
				      (uint32_t)bytes[2] << 8 | bytes[3];
		/* Ones, then zeros: the complement plus one is a power of two. */
		if (!(~mask & (~mask + 1))) {
			*prefix = (unsigned)__builtin_popcount(mask);
			return 0;
		}
	}
	return err_set(e, ERR_USAGE, "'%.*s' is not a netmask", shown(text), text.p);
}

int network_ntp(struct network *n, struct arena *a, struct str server, struct err *e)
{
	const char *host;

	if (n->n_ntp == NETWORK_SERVERS)
		return err_set(e, ERR_USAGE, "more than %d time servers", NETWORK_SERVERS);
	if (memchr(server.p ? server.p : "", ':', server.len) ? network_address(&host, a, server, e)
							      : network_host(&host, a, server, e))
		return err_wrap(e, "time server");
	n->ntp[n->n_ntp++] = host;
	return 0;
}
