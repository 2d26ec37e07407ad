#include <string.h>

#include "os/network_actions.h"

/* Nothing said: ask everybody everything. */
static const struct network_ip ask_all = { .ways = NETWORK_DHCP | NETWORK_AUTO6 };

bool network_is_off(const struct network *n)
{
	for (size_t i = 0; i < n->n_ip; i++) {
		if (!(n->ip[i].ways & NETWORK_OFF))
			return false;
	}
	return n->n_ip;
}

bool network_is_parent(const struct network *n, const char *name)
{
	for (size_t i = 0; i < n->n_vlans; i++) {
		if (!strcmp(n->vlan[i].parent, name))
			return true;
	}
	return false;
}

bool network_is_made(const struct network *n, const char *name)
{
	for (size_t i = 0; i < n->n_vlans; i++) {
		if (!strcmp(n->vlan[i].name, name))
			return true;
	}
	for (size_t i = 0; i < n->n_bonds; i++) {
		if (!strcmp(n->bond[i].name, name))
			return true;
	}
	return false;
}

const struct network_bond *network_bond_of(const struct network *n, const char *name)
{
	for (size_t i = 0; i < n->n_bonds; i++) {
		for (size_t k = 0; k < n->bond[i].n_slaves; k++) {
			if (!strcmp(n->bond[i].slave[k], name))
				return &n->bond[i];
		}
	}
	return NULL;
}

bool network_bond_is_lacp(const struct network_bond *b)
{
	for (size_t i = 0; i < b->n_options; i++) {
		if (!strcmp(b->option[i], "mode=802.3ad") || !strcmp(b->option[i], "mode=4"))
			return true;
	}
	return false;
}

/* May an ip= that names no card mean this one? */
static bool is_general(
	const struct network *n, const struct link *links, size_t n_links, const char *name)
{
	if (network_bond_of(n, name) || network_is_parent(n, name))
		return false;
	if (network_is_made(n, name))
		return true;
	const struct link *l = link_named(links, n_links, name);
	return l && l->wired;
}

bool network_is_candidate(
	const struct network *n, const struct link *links, size_t n_links, const char *name)
{
	for (size_t i = 0; i < n->n_ip; i++) {
		if (!n->ip[i].link && n->ip[i].ways & NETWORK_STATIC)
			return is_general(n, links, n_links, name);
	}
	return false;
}

size_t network_entries(const struct network_ip **v, const struct network *n,
	const struct link *links, size_t n_links, const char *name, const char *chosen)
{
	const bool general = is_general(n, links, n_links, name);
	size_t found = 0;

	for (size_t i = 0; i < n->n_ip; i++) {
		if (n->ip[i].link && !strcmp(n->ip[i].link, name))
			v[found++] = &n->ip[i];
	}
	/* What is said of this card counts, not what is said of all. */
	const bool named = found;
	for (size_t i = 0; general && !named && i < n->n_ip; i++) {
		const struct network_ip *ip = &n->ip[i];
		if (!ip->link &&
			(!(ip->ways & NETWORK_STATIC) || (chosen && !strcmp(chosen, name))))
			v[found++] = ip;
	}
	if (general && !n->n_ip)
		v[found++] = &ask_all;
	for (size_t i = 0; i < found; i++) {
		if (v[i]->ways & NETWORK_OFF)
			return 0;
	}
	return found;
}

const char *network_chosen(
	const struct network *n, const struct link *links, size_t n_links, bool any)
{
	const struct link *boot = link_with_mac(links, n_links, n->bootif);

	if (n->bootdev)
		return n->bootdev;
	if (n->n_vlans)
		return n->vlan[0].name;
	if (n->n_bonds)
		return n->bond[0].name;
	if (boot)
		return boot->name;
	for (int with_carrier = 1; with_carrier >= !any; with_carrier--) {
		for (size_t i = 0; i < n_links; i++) {
			if (is_general(n, links, n_links, links[i].name) &&
				(!with_carrier || links[i].carrier > 0))
				return links[i].name;
		}
	}
	return NULL;
}

static bool boot_at_depth(const struct network *n, const struct link *links, size_t n_links,
	const char *name, int depth)
{
	const struct link *boot = link_with_mac(links, n_links, n->bootif);

	if ((n->bootdev && !strcmp(n->bootdev, name)) || (boot && !strcmp(boot->name, name)))
		return true;
	for (size_t i = 0; depth && i < n->n_vlans; i++) {
		if (!strcmp(n->vlan[i].name, name))
			return boot_at_depth(n, links, n_links, n->vlan[i].parent, depth - 1);
	}
	for (size_t i = 0; depth && i < n->n_bonds; i++) {
		const struct network_bond *b = &n->bond[i];
		for (size_t k = 0; !strcmp(b->name, name) && k < b->n_slaves; k++) {
			if (boot_at_depth(n, links, n_links, b->slave[k], depth - 1))
				return true;
		}
	}
	return false;
}

bool network_is_boot(
	const struct network *n, const struct link *links, size_t n_links, const char *name)
{
	return boot_at_depth(n, links, n_links, name, 2); /* a VLAN on a bond on a card */
}

unsigned network_metric(
	const struct network *n, const struct link *links, size_t n_links, const char *name)
{
	const struct link *l = link_named(links, n_links, name);

	/* All below 1024, where the kernel's own routes from advertisements are. */
	if (n->bootdev && !strcmp(n->bootdev, name))
		return 10;
	if (network_is_boot(n, links, n_links, name))
		return 20;
	return 100 + (l ? l->index % 900 : 0);
}
