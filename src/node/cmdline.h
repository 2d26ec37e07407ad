/* node/cmdline.h - what the kernel's command line says
 *
 * Words are separated by white space; a double quote anywhere toggles quoting, and the
 * quotes around a whole word or a whole value are dropped, as in the kernel.  '-' and '_'
 * are the same in the names of rescue.* keys.  Network words are dracut's, unchanged:
 *
 *   ip=dhcp|on|any|dhcp6|auto6|either6|link6|single-dhcp|none|off
 *   ip=<card>:<way>[,<way>][:[<mtu>][:<mac>]]
 *   ip=<client>:[<peer>]:<gateway>:<mask>:<hostname>:<card>:<way>[:[<mtu>][:<mac>]]
 *   ip=<client>:[<peer>]:<gateway>:<mask>:<hostname>:<card>:<way>[:[<dns1>][:[<dns2>][:<ntp>]]]
 *   bond=<name>[:<card>,..[:<option>=<value>,..[:<mtu>]]]   vlan=<name>:<card>
 *   nameserver=<ip>  rd.route=<net>/<len>:<gateway>[:<card>]  rd.peerdns=0
 *   ifname=<name>:<mac>  BOOTIF=[01-]<mac>  rd.bootif=0  bootdev=<card>  rd.neednet=
 *   rd.net.timeout.carrier=<seconds>
 *
 * bridge=, team= and ip=ibft are refused by name.
 *
 * Source:     dracut.cmdline(7), dracut 103; next_arg() in lib/cmdline.c, Linux 6.12.
 * Units:      as in os/network.h.
 * Ownership:  all texts are copied into the arena.
 * Errors:     a boot must not end at a typing error: node_cmdline_parse goes on and keeps
 *             one line for each word it refused.  node_cmdline_network is strict.
 */
#pragma once

#include "base/arena.h"
#include "os/network.h"

enum { NODE_CMDLINE_MAX = 65536, NODE_CMDLINE_LIST = 16 };

struct node_cmdline {
	/* rescue.*; NULL when not said, "" when said without a value */
	const char *plan, *source, *snapshot, *automatic /* rescue.auto */, *handoff;
	const char *wait,
		*menu; /* seconds: until an unattended restore; until an idle menu boots */
	const char *ntp, *proxy;                /* rescue.ntp=a,b is in network.ntp as well */
	const char *console[NODE_CMDLINE_LIST]; /* "ttyS0,115200n8", as written */
	size_t n_consoles;
	struct network network;
	const char *refused[NODE_CMDLINE_LIST]; /* "ip=dchp: no such way ..", one line each */
	size_t n_refused, n_more;               /* n_more: refused beyond the list's room */
};

/* ERR_FORMAT only for a line beyond NODE_CMDLINE_MAX. */
int node_cmdline_parse(struct node_cmdline *c, struct arena *a, struct str line, struct err *e);

/* Network words alone, from a plan or a file: several lines, '#' to the end of the line is
 * a comment; a word that is not of the network is refused.  Adds to what `n` holds. */
int node_cmdline_network(struct network *n, struct arena *a, struct str words, struct err *e);
