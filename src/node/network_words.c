#include "node/network_words.h"

#include <string.h>

static int too_many(struct err *e, int limit)
{
	return err_set(e, ERR_USAGE, "more than %d of them", limit);
}

static bool is_no(struct str value)
{
	return str_is(value, "0") || str_is(value, "no") || str_is(value, "off");
}

static int take_ip(struct network *n, struct arena *a, struct str value, struct err *e)
{
	struct network copy = *n; /* its servers too are kept only when all is well */

	if (n->n_ip == NETWORK_LIST)
		return too_many(e, NETWORK_LIST);
	if (network_ip_word(&copy.ip[copy.n_ip], &copy, a, value, e))
		return e->code;
	copy.n_ip++;
	*n = copy;
	return 0;
}

/* An option of the bonding driver becomes a file name below its directory. */
static int take_bond_option(struct network_bond *b, struct arena *a, struct str text, struct err *e)
{
	struct str key, value;

	if (!str_cut(&key, &value, text, '=') || !key.len || !value.len)
		return err_set(e, ERR_USAGE, "'%.*s' is not option=value",
			text.len > 80 ? 80 : (int)text.len, text.p);
	for (size_t i = 0; i < key.len; i++) {
		if (!(key.p[i] >= 'a' && key.p[i] <= 'z') && key.p[i] != '_')
			return err_set(e, ERR_USAGE, "'%.*s' is not an option of a bond",
				key.len > 80 ? 80 : (int)key.len, key.p);
	}
	if (b->n_options == NETWORK_LIST)
		return too_many(e, NETWORK_LIST);
	b->option[b->n_options++] = arena_copy(a, text);
	return 0;
}

static int take_bond(struct network *n, struct arena *a, struct str value, struct err *e)
{
	struct network_bond b = { 0 };
	struct str name, slaves, options, mtu, part;

	if (n->n_bonds == NETWORK_SERVERS)
		return too_many(e, NETWORK_SERVERS);
	const bool has_slaves = str_cut(&name, &slaves, value, ':');
	const bool has_options = str_cut(&slaves, &options, slaves, ':');
	/* The MTU stands behind the last colon; an option's value may hold colons. */
	mtu = (struct str){ NULL, 0 };
	for (size_t i = options.len; has_options && i-- > 0;) {
		if (options.p[i] == ':') {
			mtu = (struct str){ options.p + i + 1, options.len - i - 1 };
			options.len = i;
			break;
		}
	}
	if (!has_slaves)
		slaves = STR("eth0,eth1");
	if (network_card(&b.name, a, name.len ? name : STR("bond0"), e))
		return e->code;
	while (str_next(&part, &slaves, ',')) {
		if (b.n_slaves == NETWORK_LIST)
			return too_many(e, NETWORK_LIST);
		if (network_card(&b.slave[b.n_slaves], a, part, e))
			return e->code;
		b.n_slaves++;
	}
	if (!b.n_slaves)
		return err_set(e, ERR_USAGE, "no card to bond");
	while (str_next(&part, &options, ',')) {
		if (take_bond_option(&b, a, part, e))
			return e->code;
	}
	if (mtu.len && network_number(&b.mtu, mtu, "MTU", 68, 65535, e))
		return e->code;
	n->bond[n->n_bonds++] = b;
	return 0;
}

/* vlan5, vlan0005, eth0.5 and eth0.0005 all are number 5. */
static int take_vlan(struct network *n, struct arena *a, struct str value, struct err *e)
{
	struct network_vlan v = { 0 };
	struct str name, parent;

	if (n->n_vlans == NETWORK_LIST)
		return too_many(e, NETWORK_LIST);
	if (!str_cut(&name, &parent, value, ':'))
		return err_set(e, ERR_USAGE, "no card below it: vlan=<name>:<card>");
	if (network_card(&v.name, a, name, e) || network_card(&v.parent, a, parent, e))
		return e->code;
	size_t digits = 0;
	while (digits < name.len && name.p[name.len - digits - 1] >= '0' &&
		name.p[name.len - digits - 1] <= '9')
		digits++;
	if (network_number(&v.id, (struct str){ name.p + name.len - digits, digits },
		    "VLAN number at the name's end", 1, 4094, e))
		return e->code;
	n->vlan[n->n_vlans++] = v;
	return 0;
}

static int take_route(struct network *n, struct arena *a, struct str value, struct err *e)
{
	struct network_route r = { 0 };
	struct str to, gateway, link, address, len;
	const char *checked;
	unsigned prefix;

	if (n->n_routes == NETWORK_LIST)
		return too_many(e, NETWORK_LIST);
	if (!network_part(&to, &value) || !network_part(&gateway, &value))
		return err_set(e, ERR_USAGE, "no gateway: rd.route=<net>/<len>:<gateway>[:<card>]");
	if (!network_part(&link, &value))
		link = (struct str){ NULL, 0 };
	if (!str_cut(&address, &len, to, '/'))
		return err_set(e, ERR_USAGE, "no netmask: rd.route=<net>/<len>:<gateway>[:<card>]");
	if (network_address(&checked, a, address, e))
		return e->code;
	const bool v6 = network_is_v6(checked);
	if (network_prefix(&prefix, len, v6, e))
		return e->code;
	r.to = arena_print(a, "%s/%u", checked, prefix);
	if (gateway.len && network_address(&r.gateway, a, gateway, e))
		return err_wrap(e, "gateway");
	if (r.gateway && network_is_v6(r.gateway) != v6)
		return err_set(e, ERR_USAGE, "net and gateway are of two families");
	if (link.len && network_card(&r.link, a, link, e))
		return e->code;
	if (!r.gateway && !r.link)
		return err_set(e, ERR_USAGE, "neither a gateway nor a card");
	n->route[n->n_routes++] = r;
	return 0;
}

static int take_name(struct network *n, struct arena *a, struct str value, struct err *e)
{
	struct network_name name = { 0 };
	struct str card, mac;

	if (n->n_names == NETWORK_LIST)
		return too_many(e, NETWORK_LIST);
	if (!str_cut(&card, &mac, value, ':'))
		return err_set(e, ERR_USAGE, "no MAC: ifname=<name>:<mac>");
	if (network_card(&name.name, a, card, e) || network_mac(&name.mac, a, mac, e))
		return e->code;
	n->name[n->n_names++] = name;
	return 0;
}

static int take_nameserver(struct network *n, struct arena *a, struct str value, struct err *e)
{
	if (n->n_nameservers == NETWORK_SERVERS)
		return too_many(e, NETWORK_SERVERS);
	if (value.len >= 2 && value.p[0] == '[' && value.p[value.len - 1] == ']')
		value = (struct str){ value.p + 1, value.len - 2 };
	if (network_address(&n->nameserver[n->n_nameservers], a, value, e))
		return e->code;
	n->n_nameservers++;
	return 0;
}

/* pxelinux puts the kind of hardware in front: 01 is Ethernet. */
static int take_bootif(struct network *n, struct arena *a, struct str value, struct err *e)
{
	if (value.len == 20 && str_starts(value, STR("01-")))
		value = (struct str){ value.p + 3, value.len - 3 };
	return network_mac(&n->bootif, a, value, e);
}

static int take_bootdev(struct network *n, struct arena *a, struct str value, struct err *e)
{
	return network_card(&n->bootdev, a, value, e);
}

static int take_peerdns(struct network *n, struct arena *a, struct str value, struct err *e)
{
	(void)a;
	(void)e;
	n->no_peer_dns = is_no(value);
	return 0;
}

static int take_rd_bootif(struct network *n, struct arena *a, struct str value, struct err *e)
{
	(void)a;
	(void)e;
	n->no_bootif = is_no(value);
	return 0;
}

static int take_carrier(struct network *n, struct arena *a, struct str value, struct err *e)
{
	(void)a;
	return network_number(&n->carrier_s, value, "time", 1, 3600, e);
}

/* The network is brought up in any case; the other waits are our own. */
static int take_nothing(struct network *n, struct arena *a, struct str value, struct err *e)
{
	(void)n;
	(void)a;
	(void)value;
	(void)e;
	return 0;
}

static int take_not(struct network *n, struct arena *a, struct str value, struct err *e)
{
	(void)n;
	(void)a;
	(void)value;
	return err_set(e, ERR_UNSUPPORTED,
		"is not done here; name the card below it with ip=<card>:dhcp, or use bond= or "
		"vlan=");
}

static const struct {
	const char *key;
	int (*take)(struct network *, struct arena *, struct str, struct err *);
} words[] = {
	{ "ip", take_ip },
	{ "bond", take_bond },
	{ "vlan", take_vlan },
	{ "nameserver", take_nameserver },
	{ "rd.route", take_route },
	{ "rd.peerdns", take_peerdns },
	{ "ifname", take_name },
	{ "BOOTIF", take_bootif },
	{ "rd.bootif", take_rd_bootif },
	{ "bootdev", take_bootdev },
	{ "rd.neednet", take_nothing },
	{ "rd.net.timeout.carrier", take_carrier },
	{ "rd.net.timeout.dhcp", take_nothing },
	{ "rd.net.timeout.iflink", take_nothing },
	{ "rd.net.timeout.ifup", take_nothing },
	{ "rd.net.timeout.route", take_nothing },
	{ "rd.net.timeout.ipv6dad", take_nothing },
	{ "rd.net.timeout.ipv6auto", take_nothing },
	{ "rd.net.dhcp.retry", take_nothing },
	{ "bridge", take_not },
	{ "team", take_not },
};

int network_word(struct network *n, bool *known, struct arena *a, struct str key, struct str value,
	struct err *e)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!str_is(key, words[i].key))
			continue;
		*known = true;
		if (words[i].take(n, a, value.p ? value : STR(""), e))
			return err_wrap(e, "%.*s=%.*s", STR_ARG(key),
				value.len > 120 ? 120 : (int)value.len, value.p ? value.p : "");
		n->given = n->given || words[i].take != take_nothing;
		return 0;
	}
	*known = false;
	return 0;
}

void network_words_end(struct network *n)
{
	if (n->no_bootif)
		n->bootif = NULL;
}
