/* os/network.h - what the network shall be, and making it so
 *
 * The description says what dracut's kernel line grammar can say (node/cmdline.h reads
 * that); an empty one means: ask DHCP and listen for IPv6 routers on every wired card.
 * Carrying it out is in two halves.  network_actions is pure: description and cards in,
 * list of actions out.  network_up does them as cards and carrier appear, all cards in
 * parallel, the boot card first: the first card with a usable address ends the wait, the
 * others go on in the background.  udhcpc stays running and renews the lease.
 *
 * Files:      /run/etcd-rescue/net/<card>.lease is what DHCP said, as NAME=VALUE lines.
 * Source:     dracut.cmdline(7), dracut 103; BusyBox 1.37 ip, udhcpc, udhcpc6.
 * Units:      seconds where a name ends in _s; bytes for the MTU; MACs in lower case.
 * Ownership:  texts live as long as the arena they were parsed into; network_up's results
 *             live in the arena it is given.
 * Errors:     ERR_NET when no card got an address, naming each card and how far it came.
 */
#pragma once

#include "base/buf.h"
#include "base/event.h"
#include "os/link.h"

enum network_way { /* a set */
	NETWORK_STATIC = 1,
	NETWORK_DHCP = 2,
	NETWORK_DHCP6 = 4,
	NETWORK_AUTO6 = 8,    /* router advertisements, done by the kernel */
	NETWORK_EITHER6 = 16, /* router advertisements, DHCPv6 when they bring no address */
	NETWORK_LINK6 = 32,   /* fe80:: is enough */
	NETWORK_OFF = 64,     /* leave the card alone */
};

enum { NETWORK_LIST = 16, NETWORK_SERVERS = 8 };

struct network_ip {       /* one ip= */
	const char *link; /* NULL: every wired card */
	unsigned ways;
	const char *client;   /* "192.0.2.7", "2001:db8::7" without brackets; NULL: none */
	const char *peer;     /* point to point; may carry its own "/32" */
	const char *gateway;  /* NULL: none */
	const char *hostname; /* NULL: not said */
	const char *mac;      /* to be set on the card; NULL: as it is */
	unsigned prefix;      /* of client; 24, never a dotted mask */
	unsigned mtu;         /* 0: as it is */
};

struct network_bond {
	const char *name;
	const char *slave[NETWORK_LIST];
	size_t n_slaves;
	const char *option[NETWORK_LIST]; /* "mode=802.3ad" */
	size_t n_options;
	unsigned mtu;
};

struct network_vlan {
	const char *name, *parent;
	unsigned id;
};

struct network_route {
	const char *to;      /* "192.0.2.0/24", "2001:db8::/32" */
	const char *gateway; /* NULL: none */
	const char *link;    /* NULL: the kernel chooses by the gateway */
};

struct network_name { /* ifname= */
	const char *name, *mac;
};

struct network {
	bool given; /* something was said at all */
	struct network_ip ip[NETWORK_LIST];
	struct network_bond bond[NETWORK_SERVERS];
	struct network_vlan vlan[NETWORK_LIST];
	struct network_route route[NETWORK_LIST];
	struct network_name name[NETWORK_LIST];
	size_t n_ip, n_bonds, n_vlans, n_routes, n_names;
	const char *nameserver[NETWORK_SERVERS], *ntp[NETWORK_SERVERS];
	size_t n_nameservers, n_ntp;
	const char *bootif;  /* MAC of the card the firmware booted from; NULL: not said */
	const char *bootdev; /* name of the card whose routes count; NULL: not said */
	bool no_peer_dns;    /* rd.peerdns=0: name servers from DHCP are not wanted */
	bool no_bootif;      /* rd.bootif=0 */
	bool single;         /* single-dhcp: the first answer silences the other clients */
	unsigned carrier_s;  /* rd.net.timeout.carrier; 0: 120 */
	unsigned phase_s;    /* the whole of network_up; 0: 600 */
	unsigned partner_s;  /* a LACP bond without a partner is one port after this; 0: 75 */
};

/* One thing to do: a command, or a value written to a file. */
struct action {
	const char *link;        /* on whose behalf */
	const char *const *argv; /* NULL: write `value` to `path` */
	const char *path, *value;
	const char *when; /* NULL: at once */
	bool stays;       /* a client that keeps running in the background */
	bool may_fail;    /* its failing is no news: a module that is built in */
};

struct actions {
	struct arena *arena;
	struct action *v;
	size_t n, room;
};

/* Everything that would be done with these cards if each of them had carrier. */
void network_actions(struct actions *list, const struct network *network, const struct link *links,
	size_t n_links);

/* One line an action, as a person would type it; for --dry-run. */
int network_actions_print(struct buf *out, const struct actions *list, struct err *e);

struct network_result {
	const char *link;                 /* the card that was first; NULL: none */
	const char *address;              /* "192.0.2.7/24" */
	const char *ntp[NETWORK_SERVERS]; /* from the description, then from DHCP option 42 */
	size_t n_ntp;
	const char *plan_url; /* DHCP option 224 as text; NULL: none */
	const char *hostname; /* DHCP option 12; NULL: none */
};

/* Changes this machine: names, links, addresses, routes, /etc/resolv.conf. */
int network_up(struct network_result *result, struct arena *a, const struct network *network,
	const struct listener *listener, struct err *e);
