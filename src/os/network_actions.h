/* os/network_actions.h - the pieces network_actions is made of, for the runner
 *
 * Each appends what is to be done for one thing: a card, a bond, a VLAN.  They look at the
 * description and at the cards only; nothing is changed or read.
 *
 * Source:     ip(8) and udhcpc of BusyBox; bonding.rst of Linux 6.12.
 * Units:      as in os/network.h.
 * Ownership:  all texts live in the list's arena or in the description.
 * Errors:     none.
 */
#pragma once

#include "os/network.h"

#define NETWORK_STATE "/run/etcd-rescue/net"

enum { NETWORK_CARRIER_S = 120, NETWORK_PHASE_S = 600, NETWORK_PARTNER_S = 75 };
enum { NETWORK_PORT_S = 45 };    /* each port of a bond, when tried alone */
enum { NETWORK_EITHER6_S = 20 }; /* router advertisements have so long before DHCPv6 */

struct action *actions_add(struct actions *list, const char *link);

/* The ip= entries that count for a card, a bond or a VLAN of this name; `v` has room for
 * NETWORK_LIST + 1.  `chosen` is the card that takes an address said without a card. */
size_t network_entries(const struct network_ip **v, const struct network *n,
	const struct link *links, size_t n_links, const char *name, const char *chosen);

/* That card: bootdev, BOOTIF, the topmost VLAN or bond, the first with carrier; or NULL.
 * With `any`, the first wired one rather than NULL. */
const char *network_chosen(
	const struct network *n, const struct link *links, size_t n_links, bool any);

/* May it be the one? */
bool network_is_candidate(
	const struct network *n, const struct link *links, size_t n_links, const char *name);

/* Is it the card the machine booted from, or made of it? */
bool network_is_boot(
	const struct network *n, const struct link *links, size_t n_links, const char *name);

/* ip=off, and nothing else. */
bool network_is_off(const struct network *n);

/* Does a VLAN run on it?  Is it a bond or VLAN we make? */
bool network_is_parent(const struct network *n, const char *name);
bool network_is_made(const struct network *n, const char *name);

/* The bond this card is a port of, or NULL. */
const struct network_bond *network_bond_of(const struct network *n, const char *name);
bool network_bond_is_lacp(const struct network_bond *b);

/* ifname=: `links` is changed to what the names will be. */
void actions_names(
	struct actions *list, const struct network *n, struct link *links, size_t n_links);
void actions_bond(struct actions *list, const struct network_bond *b);
/* The ports again, as LACP or, with `single`, as one port after the other. */
void actions_bond_mode(
	struct actions *list, const struct network_bond *b, bool single, const char *first);
void actions_bond_primary(struct actions *list, const struct network_bond *b, const char *port);
void actions_port(struct actions *list, const struct network_bond *b, const char *port);
void actions_vlan(struct actions *list, const struct network *n, const struct network_vlan *v);
/* What an earlier call or the firmware's driver left: the addresses; all of it. */
void actions_empty(struct actions *list, const char *name);
void actions_remove(struct actions *list, const char *name);
/* /etc/resolv.conf, from what is noted. */
void actions_resolver(struct actions *list);
/* Switch it on, with MTU and MAC. */
void actions_switch_on(struct actions *list, const struct network_ip *const *v, size_t n_entries,
	const char *name);
/* Addresses and routes that need no answer from anybody. */
void actions_static(struct actions *list, const struct network *n,
	const struct network_ip *const *v, size_t n_entries, const char *name, unsigned metric);
/* The clients that ask; those of `ways` only. */
void actions_ask(struct actions *list, const struct network *n, const struct network_ip *const *v,
	size_t n_entries, unsigned ways, const char *name, unsigned metric);
/* Before all cards: name servers.  After all: routes that name no card. */
void actions_first(struct actions *list, const struct network *n);
void actions_last(struct actions *list, const struct network *n);

unsigned network_metric(
	const struct network *n, const struct link *links, size_t n_links, const char *name);
