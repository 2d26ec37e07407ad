#include <string.h>

#include "node/network_words.h"

enum { PARTS = 16 };

static const struct {
	const char *word;
	unsigned way;
} ways[] = {
	{ "dhcp", NETWORK_DHCP },
	{ "dhcp4", NETWORK_DHCP },
	{ "on", NETWORK_DHCP },
	{ "any", NETWORK_DHCP },
	{ "single-dhcp", NETWORK_DHCP },
	{ "dhcp6", NETWORK_DHCP6 },
	{ "auto6", NETWORK_AUTO6 },
	{ "either6", NETWORK_EITHER6 },
	{ "link6", NETWORK_LINK6 },
	{ "none", NETWORK_OFF },
	{ "off", NETWORK_OFF },
};

/* ibft, bootp, rarp, both are of the grammar, and not done. */
static bool is_undone(struct str word)
{
	return str_is(word, "ibft") || str_is(word, "bootp") || str_is(word, "rarp") ||
	       str_is(word, "both");
}

/* A comma list of ways.  False: it is no such list. */
static bool read_ways(unsigned *set, bool *single, struct str text)
{
	struct str word;

	*set = 0;
	if (!text.len)
		return false;
	for (struct str rest = text; str_next(&word, &rest, ',');) {
		size_t i = 0;
		while (i < sizeof ways / sizeof *ways && !str_is(word, ways[i].word))
			i++;
		if (i == sizeof ways / sizeof *ways)
			return false;
		*set |= ways[i].way;
		*single |= str_is(word, "single-dhcp");
	}
	return true;
}

static int read_way(unsigned *set, bool *single, struct str text, struct err *e)
{
	if (is_undone(text))
		return err_set(e, ERR_UNSUPPORTED,
			"%.*s is not done here; give the address itself: "
			"ip=<client>::<gateway>:<mask>:<hostname>:<card>:none",
			STR_ARG(text));
	if (!read_ways(set, single, text))
		return err_set(e, ERR_USAGE,
			"'%.*s' is none of dhcp on any single-dhcp dhcp6 auto6 either6 link6 none "
			"off",
			text.len > 80 ? 80 : (int)text.len, text.p);
	return 0;
}

/* [<mtu>][:<mac>]: the MAC's own colons have made six parts of it. */
static int read_mtu_mac(
	struct network_ip *ip, struct arena *a, const struct str *part, size_t n, struct err *e)
{
	if (part[0].len && network_number(&ip->mtu, part[0], "MTU", 68, 65535, e))
		return e->code;
	if (n == 1 || (n == 2 && !part[1].len))
		return 0;
	/* They lie side by side in the word, so they are put together by their ends. */
	const char *end = part[n - 1].p + part[n - 1].len;
	return network_mac(&ip->mac, a, (struct str){ part[1].p, (size_t)(end - part[1].p) }, e);
}

/* [<dns1>][:[<dns2>][:<ntp>]] */
static int read_servers(
	struct network *net, struct arena *a, const struct str *part, size_t n, struct err *e)
{
	if (n > 3)
		return err_set(e, ERR_USAGE, "more than two name servers and a time server");
	for (size_t i = 0; i < n; i++) {
		if (!part[i].len)
			continue;
		if (i == 2)
			return network_ntp(net, a, part[i], e);
		if (net->n_nameservers == NETWORK_SERVERS)
			return err_set(e, ERR_USAGE, "more than %d name servers", NETWORK_SERVERS);
		if (network_address(&net->nameserver[net->n_nameservers], a, part[i], e))
			return err_wrap(e, "name server");
		net->n_nameservers++;
	}
	return 0;
}

/* What follows the way: an MTU and a MAC, or servers. */
static int read_tail(struct network_ip *ip, struct network *net, struct arena *a,
	const struct str *part, size_t n, struct err *e)
{
	bool digits = true;

	if (!n)
		return 0;
	for (size_t i = 0; i < part[0].len; i++)
		digits = digits && part[0].p[i] >= '0' && part[0].p[i] <= '9';
	/* An empty first part is told by the second: two hexadecimal digits begin a MAC. */
	if (digits && (part[0].len || n == 1 || part[1].len == 2))
		return read_mtu_mac(ip, a, part, n, e);
	return read_servers(net, a, part, n, e);
}

static int read_peer(struct network_ip *ip, struct arena *a, struct str text, struct err *e)
{
	struct str address, len;
	unsigned prefix;
	const char *checked;

	const bool has_len = str_cut(&address, &len, text, '/');
	if (network_address(&checked, a, address, e))
		return err_wrap(e, "peer");
	if (has_len && network_prefix(&prefix, len, network_is_v6(checked), e))
		return err_wrap(e, "peer");
	ip->peer = arena_copy(a, text);
	return 0;
}

/* <client>:[<peer>]:<gateway>:<mask>: the client may carry its "/24" itself. */
static int read_static(
	struct network_ip *ip, struct arena *a, const struct str *part, struct err *e)
{
	struct str client, len, mask = part[3];

	if (str_cut(&client, &len, part[0], '/') && !mask.len)
		mask = len;
	if (network_address(&ip->client, a, client, e))
		return err_wrap(e, "client");
	const bool v6 = network_is_v6(ip->client);
	if (!mask.len)
		return err_set(e, ERR_USAGE, "no netmask for %s", ip->client);
	if (network_prefix(&ip->prefix, mask, v6, e))
		return e->code;
	if (!ip->prefix)
		return err_set(e, ERR_USAGE, "netmask 0 for %s", ip->client);
	if (part[1].len && read_peer(ip, a, part[1], e))
		return e->code;
	if (part[2].len && network_address(&ip->gateway, a, part[2], e))
		return err_wrap(e, "gateway");
	if ((ip->gateway && network_is_v6(ip->gateway) != v6) ||
		(ip->peer && network_is_v6(ip->peer) != v6))
		return err_set(
			e, ERR_USAGE, "%s and its gateway or peer are of two families", ip->client);
	return 0;
}

int network_ip_word(
	struct network_ip *ip, struct network *n, struct arena *a, struct str value, struct err *e)
{
	struct str part[PARTS] = { 0 };
	size_t parts = 0;

	struct str rest = value;
	while (parts < PARTS && network_part(&part[parts], &rest))
		parts++;
	if (rest.p)
		return err_set(e, ERR_USAGE, "more than %d parts", PARTS);
	*ip = (struct network_ip){ 0 };
	if (parts <= 1)
		return read_way(&ip->ways, &n->single, part[0], e);

	if (is_undone(part[1]) || read_ways(&ip->ways, &n->single, part[1])) {
		if (part[0].len && network_card(&ip->link, a, part[0], e))
			return e->code;
		if (is_undone(part[1]))
			return read_way(&ip->ways, &n->single, part[1], e);
		return parts > 2 ? read_mtu_mac(ip, a, part + 2, parts - 2, e) : 0;
	}

	ip->ways = 0;
	if (part[6].len && read_way(&ip->ways, &n->single, part[6], e))
		return e->code;
	if (part[5].len && network_card(&ip->link, a, part[5], e))
		return e->code;
	if (part[4].len && network_host(&ip->hostname, a, part[4], e))
		return e->code;
	if (!(ip->ways & ~(unsigned)NETWORK_OFF)) {
		/* "none" after an address: no asking, this is it. */
		ip->ways = part[0].len ? NETWORK_STATIC : NETWORK_OFF;
		if (!part[0].len && !part[6].len)
			return err_set(e, ERR_USAGE, "neither an address nor a way to get one");
	}
	if (part[0].len && ip->ways & NETWORK_STATIC && read_static(ip, a, part, e))
		return e->code;
	return parts > 7 ? read_tail(ip, n, a, part + 7, parts - 7, e) : 0;
}
