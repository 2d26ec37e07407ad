#include "os/network_actions.h"

#include <string.h>
#include <strings.h>

struct action *actions_add(struct actions *list, const char *link)
{
	if (list->n == list->room) {
		const size_t room = list->room ? 2 * list->room : 32;
		struct action *v = arena_array(list->arena, room, sizeof *v);
		if (list->n)
			memcpy(v, list->v, list->n * sizeof *v);
		list->v = v;
		list->room = room;
	}
	struct action *action = &list->v[list->n++];
	*action = (struct action){ .link = link };
	return action;
}

static struct action *add_run(struct actions *list, const char *link, const char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	const char **copy = arena_array(list->arena, n + 1, sizeof *copy);
	memcpy(copy, argv, n * sizeof *copy);
	struct action *action = actions_add(list, link);
	action->argv = copy;
	return action;
}
#define RUN(list, link, ...) add_run(list, link, (const char *const[]){ __VA_ARGS__, NULL })
#define IP                   "/bin/ip"

static struct action *add_write(
	struct actions *list, const char *link, const char *path, const char *value)
{
	struct action *action = actions_add(list, link);

	action->path = path;
	action->value = value;
	return action;
}

static const char *decimal(struct actions *list, unsigned v)
{
	return arena_print(list->arena, "%u", v);
}

void actions_names(
	struct actions *list, const struct network *n, struct link *links, size_t n_links)
{
	for (size_t i = 0; i < n->n_names; i++) {
		struct link *card = NULL, *other = NULL;
		for (size_t k = 0; k < n_links; k++) {
			if (!strcmp(links[k].name, n->name[i].name))
				other = &links[k];
			if (!*links[k].kind && !strcasecmp(links[k].mac, n->name[i].mac))
				card = &links[k];
		}
		if (!card || card == other)
			continue;
		/* The name is taken: two cards may be about to change names. */
		struct link *const move[] = { other, card };
		for (size_t k = 0; k < 2; k++) {
			if (!move[k])
				continue;
			const char *name = k ? n->name[i].name
					     : arena_print(list->arena, "other%u", move[k]->index);
			RUN(list, move[k]->name, IP, "link", "set", "dev", move[k]->name, "down");
			RUN(list, move[k]->name, IP, "link", "set", "dev", move[k]->name, "name",
				name);
			move[k]->name = name;
		}
	}
}

void actions_port(struct actions *list, const struct network_bond *b, const char *port)
{
	RUN(list, port, IP, "link", "set", "dev", port, "down");
	RUN(list, port, IP, "link", "set", "dev", port, "master", b->name);
}

static void write_bond(
	struct actions *list, const struct network_bond *b, const char *option, const char *value)
{
	add_write(list, b->name,
		arena_print(list->arena, "/sys/class/net/%s/bonding/%s", b->name, option), value);
}

/* The kernel takes the mode first, and only while the bond is down and has no ports. */
static void bond_options(struct actions *list, const struct network_bond *b)
{
	bool watched = false;

	for (int mode = 1; mode >= 0; mode--) {
		for (size_t i = 0; i < b->n_options; i++) {
			struct str key, value;
			str_cut(&key, &value, str_from(b->option[i]), '=');
			watched = watched || str_is(key, "miimon") || str_is(key, "arp_interval");
			if (str_is(key, "mode") == mode)
				write_bond(list, b, arena_copy(list->arena, key),
					arena_copy(list->arena, value));
		}
	}
	/* Without it a bond does not notice that a cable is out. */
	if (!watched)
		write_bond(list, b, "miimon", "100");
}

void actions_bond(struct actions *list, const struct network_bond *b)
{
	RUN(list, b->name, "/bin/modprobe", "bonding", "max_bonds=0")->may_fail = true;
	RUN(list, b->name, IP, "link", "add", "name", b->name, "type", "bond");
	bond_options(list, b);
	if (b->mtu)
		RUN(list, b->name, IP, "link", "set", "dev", b->name, "mtu", decimal(list, b->mtu));
	RUN(list, b->name, IP, "link", "set", "dev", b->name, "up");
}

void actions_bond_primary(struct actions *list, const struct network_bond *b, const char *port)
{
	write_bond(list, b, "primary", port);
}

void actions_bond_mode(
	struct actions *list, const struct network_bond *b, bool single, const char *first)
{
	RUN(list, b->name, IP, "link", "set", "dev", b->name, "down");
	for (size_t i = 0; i < b->n_slaves; i++)
		RUN(list, b->slave[i], IP, "link", "set", "dev", b->slave[i], "nomaster")
			->may_fail = true;
	if (single) {
		write_bond(list, b, "mode", "active-backup");
		write_bond(list, b, "miimon", "100");
	} else {
		bond_options(list, b);
	}
	for (size_t i = 0; i < b->n_slaves; i++) {
		const size_t before = list->n;
		actions_port(list, b, b->slave[i]);
		for (size_t k = before; k < list->n; k++)
			list->v[k].may_fail = true; /* a port may be missing */
	}
	if (single && first)
		write_bond(list, b, "primary", first);
	RUN(list, b->name, IP, "link", "set", "dev", b->name, "up");
}

void actions_vlan(struct actions *list, const struct network *n, const struct network_vlan *v)
{
	RUN(list, v->name, "/bin/modprobe", "8021q")->may_fail = true;
	for (size_t i = 0; i < n->n_ip; i++) {
		/* A VLAN cannot be wider than what it runs on. */
		if (n->ip[i].link && !strcmp(n->ip[i].link, v->name) && n->ip[i].mtu > 1500)
			RUN(list, v->parent, IP, "link", "set", "dev", v->parent, "mtu",
				decimal(list, n->ip[i].mtu));
	}
	RUN(list, v->name, IP, "link", "add", "link", v->parent, "name", v->name, "type", "vlan",
		"id", decimal(list, v->id));
}

void actions_empty(struct actions *list, const char *name)
{
	/* Down takes IPv6 addresses and all routes away, and up asks for them anew. */
	RUN(list, name, IP, "-4", "address", "flush", "dev", name);
	RUN(list, name, IP, "link", "set", "dev", name, "down");
}

void actions_remove(struct actions *list, const char *name)
{
	RUN(list, name, IP, "link", "delete", "dev", name);
}

void actions_resolver(struct actions *list)
{
	RUN(list, "", "/etc/udhcpc/resolver");
}

void actions_switch_on(
	struct actions *list, const struct network_ip *const *v, size_t n_entries, const char *name)
{
	for (size_t i = 0; i < n_entries; i++) {
		if (v[i]->mac)
			RUN(list, name, IP, "link", "set", "dev", name, "address", v[i]->mac);
		if (v[i]->mtu)
			RUN(list, name, IP, "link", "set", "dev", name, "mtu",
				decimal(list, v[i]->mtu));
	}
	RUN(list, name, IP, "link", "set", "dev", name, "up");
}

static void add_route(struct actions *list, const char *to, const char *gateway, const char *name,
	const char *metric)
{
	/* A gateway outside the card's own net is common in clouds: -> onlink. */
	const char *const family =
		strchr(to, ':') || (gateway && strchr(gateway, ':')) ? "-6" : "-4";

	if (gateway && name)
		RUN(list, name, IP, family, "route", "replace", to, "via", gateway, "dev", name,
			"metric", metric, "onlink");
	else if (gateway)
		RUN(list, "", IP, family, "route", "replace", to, "via", gateway);
	else
		RUN(list, name, IP, family, "route", "replace", to, "dev", name, "metric", metric);
}

void actions_static(struct actions *list, const struct network *n,
	const struct network_ip *const *v, size_t n_entries, const char *name, unsigned metric)
{
	const char *number = decimal(list, metric);

	for (size_t i = 0; i < n_entries; i++) {
		const struct network_ip *ip = v[i];
		if (ip->hostname)
			RUN(list, name, "/bin/hostname", ip->hostname);
		if (!(ip->ways & NETWORK_STATIC))
			continue;
		const char *address = arena_print(list->arena, "%s/%u", ip->client, ip->prefix);
		if (ip->peer)
			RUN(list, name, IP, "address", "replace", ip->client, "peer", ip->peer,
				"dev", name);
		else if (strchr(address, ':'))
			RUN(list, name, IP, "-6", "address", "replace", address, "dev", name);
		else
			RUN(list, name, IP, "-4", "address", "replace", address, "broadcast", "+",
				"dev", name);
		if (ip->gateway)
			add_route(list, "default", ip->gateway, name, number);
	}
	for (size_t i = 0; i < n->n_routes; i++) {
		if (n->route[i].link && !strcmp(n->route[i].link, name))
			add_route(list, n->route[i].to, n->route[i].gateway, name, number);
	}
}

/* A client's arguments, grown one by one. */
struct words {
	const char *v[40];
	size_t n;
};

static void say(struct words *w, const char *const *more)
{
	while (*more)
		w->v[w->n++] = *more++;
}
#define SAY(w, ...) say(w, (const char *const[]){ __VA_ARGS__, NULL })

static struct action *ask(struct actions *list, const struct network *n,
	const struct network_ip *ip, const char *name, unsigned metric, bool v6)
{
	struct arena *a = list->arena;
	struct words w = { 0 };

	/* The client hands its environment on to the script that carries a lease out. */
	SAY(&w, "/bin/env", arena_print(a, "RESCUE_METRIC=%u", metric));
	if (n->no_peer_dns)
		SAY(&w, "RESCUE_DNS=no");
	if (ip->mtu)
		SAY(&w, "RESCUE_MTU=no");
	SAY(&w, v6 ? "/bin/udhcpc6" : "/bin/udhcpc", "-f", "-i", name, "-p",
		arena_print(a, NETWORK_STATE "/%s%s.pid", name, v6 ? ".6" : ""), "-s",
		v6 ? "/etc/udhcpc6/default.script" : "/etc/udhcpc/default.script");
	/* Patient for ever: five tries two seconds apart, four seconds of rest. */
	SAY(&w, "-t", "5", "-T", "2", "-A", "4", "-O", "search");
	if (v6)
		SAY(&w, "-O", "dns");
	else
		SAY(&w, "-O", "mtu", "-O", "ntpsrv", "-O", "staticroutes", "-O", "224");
	if (ip->hostname && !v6)
		SAY(&w, "-x", arena_print(a, "hostname:%s", ip->hostname));
	struct action *action = add_run(list, name, w.v);
	action->stays = true;
	return action;
}

void actions_ask(struct actions *list, const struct network *n, const struct network_ip *const *v,
	size_t n_entries, unsigned ways, const char *name, unsigned metric)
{
	unsigned asked = 0; /* two ip= for one card: one client each */

	for (size_t i = 0; i < n_entries; i++) {
		const unsigned now = v[i]->ways & ways & ~asked;
		asked |= now;
		if (now & NETWORK_DHCP)
			ask(list, n, v[i], name, metric, false);
		if (now & NETWORK_DHCP6)
			ask(list, n, v[i], name, metric, true);
		else if (now & NETWORK_EITHER6)
			ask(list, n, v[i], name, metric, true)->when =
				"when no router has given an address after 20 s";
	}
}

void actions_first(struct actions *list, const struct network *n)
{
	static const char *const families[] = { "ipv4", "ipv6" };
	const char *text = "";

	/* A card without carrier keeps its routes, but the kernel shall not use them. */
	for (size_t i = 0; i < 2; i++)
		add_write(list, "",
			arena_print(list->arena,
				"/proc/sys/net/%s/conf/all/ignore_routes_with_linkdown",
				families[i]),
			"1")
			->may_fail = true;
	if (!n->n_nameservers)
		return;
	for (size_t i = 0; i < n->n_nameservers; i++)
		text = arena_print(list->arena, "%snameserver %s\n", text, n->nameserver[i]);
	/* The digit puts it before what DHCP says. */
	add_write(list, "", NETWORK_STATE "/0.dns", text);
	actions_resolver(list);
}

void actions_last(struct actions *list, const struct network *n)
{
	for (size_t i = 0; i < n->n_routes; i++) {
		if (!n->route[i].link)
			add_route(list, n->route[i].to, n->route[i].gateway, NULL, NULL);
	}
}

static void whole_card(struct actions *list, const struct network *n, const struct link *links,
	size_t n_links, const char *name, const char *chosen)
{
	const struct network_ip *v[NETWORK_LIST + 1];
	const size_t entries = network_entries(v, n, links, n_links, name, chosen);
	const unsigned metric = network_metric(n, links, n_links, name);

	if (!entries && !network_is_parent(n, name))
		return;
	actions_switch_on(list, v, entries, name);
	actions_static(list, n, v, entries, name, metric);
	actions_ask(
		list, n, v, entries, NETWORK_DHCP | NETWORK_DHCP6 | NETWORK_EITHER6, name, metric);
}

void network_actions(struct actions *list, const struct network *network, const struct link *links,
	size_t n_links)
{
	const struct network *n = network;
	struct link *named = arena_array(list->arena, n_links + 1, sizeof *named);

	if (network_is_off(n))
		return;
	memcpy(named, links, n_links * sizeof *named);
	actions_names(list, n, named, n_links);
	const char *chosen = network_chosen(n, named, n_links, true);
	actions_first(list, n);
	for (size_t i = 0; i < n->n_bonds; i++) {
		actions_bond(list, &n->bond[i]);
		for (size_t k = 0; k < n->bond[i].n_slaves; k++)
			actions_port(list, &n->bond[i], n->bond[i].slave[k]);
	}
	/* The card the machine booted from goes first. */
	for (int boot = 1; boot >= 0; boot--) {
		for (size_t i = 0; i < n_links; i++) {
			const char *name = named[i].name;
			if (network_is_boot(n, named, n_links, name) == boot &&
				!network_is_made(n, name) && !network_bond_of(n, name))
				whole_card(list, n, named, n_links, name, chosen);
		}
	}
	for (size_t i = 0; i < n->n_bonds; i++)
		whole_card(list, n, named, n_links, n->bond[i].name, chosen);
	for (size_t i = 0; i < n->n_vlans; i++) {
		actions_vlan(list, n, &n->vlan[i]);
		whole_card(list, n, named, n_links, n->vlan[i].name, chosen);
	}
	actions_last(list, n);
}
