#include "os/network_bond.h"

#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "os/network_actions.h"
#include "os/network_do.h"

bool network_bonds_make(struct network_bonds *bonds, const struct network *n,
	const struct link *links, size_t n_links, struct arena *a, const struct listener *listener)
{
	struct actions list = { .arena = a };

	for (size_t i = 0; i < n->n_bonds; i++) {
		const struct network_bond *b = &n->bond[i];
		for (size_t k = 0; k < b->n_slaves; k++) {
			if (bonds->v[i].port[k] || !link_named(links, n_links, b->slave[k]))
				continue;
			const struct link *old = link_named(links, n_links, b->name);
			if (!bonds->v[i].made && old && !strcmp(old->kind, "bond"))
				actions_remove(&list, b->name);
			if (!bonds->v[i].made)
				actions_bond(&list, b);
			bonds->v[i].made = true;
			network_end_clients(b->slave[k]);
			actions_empty(&list, b->slave[k]);
			actions_port(&list, b, b->slave[k]);
			bonds->v[i].port[k] = true;
		}
	}
	network_do(&list, 0, listener);
	return list.n;
}

static bool has_partner(const struct root *root, const struct network_bond *b)
{
	char path[128], mac[64];

	snprintf(path, sizeof path, "/sys/class/net/%s/bonding/ad_partner_mac", b->name);
	file_read_line(mac, sizeof mac, root, path);
	return *mac && strcmp(mac, "00:00:00:00:00:00");
}

/* The `turn`th port that has carrier; the boot card is the first. */
static const char *port_in_turn(const struct network *n, const struct network_bond *b,
	const struct link *links, size_t n_links, unsigned turn)
{
	const char *port[NETWORK_LIST];
	unsigned found = 0;

	for (int boot = 1; boot >= 0; boot--) {
		for (size_t i = 0; i < b->n_slaves; i++) {
			const struct link *l = link_named(links, n_links, b->slave[i]);
			if (l && l->carrier > 0 &&
				network_is_boot(n, links, n_links, l->name) == boot)
				port[found++] = b->slave[i];
		}
	}
	return found ? port[turn % found] : NULL;
}

const char *network_bonds_turn(struct network_bonds *bonds, const struct network *n,
	const struct link *links, size_t n_links, bool address, int64_t now, struct arena *a,
	const struct root *root, const struct listener *listener)
{
	const unsigned limit = n->partner_s ? n->partner_s : NETWORK_PARTNER_S;

	for (size_t i = 0; i < n->n_bonds; i++) {
		const struct network_bond *b = &n->bond[i];
		struct actions list = { .arena = a };
		if (!bonds->v[i].made || bonds->v[i].partner || !network_bond_is_lacp(b))
			continue;
		const char *port = port_in_turn(n, b, links, n_links, bonds->v[i].turn);
		if (!bonds->v[i].single && has_partner(root, b)) {
			event_info(listener, "network", "%s: the switch answers LACP", b->name);
			bonds->v[i].partner = true;
			continue;
		}
		if (port && !bonds->v[i].since)
			bonds->v[i].since = now;
		const unsigned wait = bonds->v[i].single ? NETWORK_PORT_S : limit;
		if (address || !port || now - bonds->v[i].since < wait)
			continue;
		/* Each port in turn, then LACP once more. */
		const bool was_single = bonds->v[i].single;
		const bool again = was_single && bonds->v[i].turn >= b->n_slaves;
		bonds->v[i].single = !again;
		bonds->v[i].turn = again ? 0 : bonds->v[i].turn + 1;
		bonds->v[i].since = now;
		if (again)
			event_warning(listener, "network",
				"%s: no answer through any port alone; LACP once more", b->name);
		else
			event_warning(listener, "network", "%s: no %s after %u s; using %s alone",
				b->name, was_single ? "address" : "LACP partner and no address",
				wait, port);
		if (was_single && !again) {
			/* Nothing goes down: a switch may take half a minute to let it up again. */
			actions_bond_primary(&list, b, port);
			network_do(&list, 0, listener);
			continue;
		}
		actions_bond_mode(&list, b, !again, port);
		network_do(&list, 0, listener);
		return b->name;
	}
	return NULL;
}

bool network_bonds_settled(
	const struct network_bonds *bonds, const struct network *n, const char *name)
{
	for (size_t i = 0; i < n->n_vlans; i++) {
		if (!strcmp(n->vlan[i].name, name))
			name = n->vlan[i].parent;
	}
	for (size_t i = 0; i < n->n_bonds; i++) {
		if (!strcmp(n->bond[i].name, name) && network_bond_is_lacp(&n->bond[i]))
			return bonds->v[i].partner || bonds->v[i].single;
	}
	return true;
}
