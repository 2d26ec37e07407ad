/* os/network_bond.h - bonds while they come up
 *
 * A switch that is not set up for LACP, or whose LACP sleeps while a machine boots from
 * the network, leaves a LACP bond without a partner.  Such a bond is tried in turns: as
 * LACP, then port after port as active-backup, then as LACP again, until an address comes.
 *
 * Source:     Documentation/networking/bonding.rst, Linux 6.12.
 * Units:      seconds.
 * Ownership:  none.
 * Errors:     as in os/network_do.h.
 */
#pragma once

#include "base/event.h"
#include "os/network.h"

struct network_bonds {
	struct {
		bool made, single;
		bool partner;            /* somebody answers LACP */
		bool port[NETWORK_LIST]; /* taken in */
		int64_t since;           /* when this turn began; 0: no port has carrier yet */
		unsigned turn;
	} v[NETWORK_SERVERS];
};

/* Make bonds whose first port has appeared, and take in ports; true when any was. */
bool network_bonds_make(struct network_bonds *bonds, const struct network *n,
	const struct link *links, size_t n_links, struct arena *a, const struct listener *listener);

/* When a LACP bond has waited long enough: the next turn.  `address`: there is one already,
 * nothing is to be changed.  The name of a bond that lost its routes by it, or NULL. */
const char *network_bonds_turn(struct network_bonds *bonds, const struct network *n,
	const struct link *links, size_t n_links, bool address, int64_t now, struct arena *a,
	const struct root *root, const struct listener *listener);

/* False for a LACP bond, or a VLAN on one, that has neither a partner nor done without: its
 * mode may still change, so only an answer proves that it leads anywhere. */
bool network_bonds_settled(
	const struct network_bonds *bonds, const struct network *n, const char *name);
