/* node/found.h - the name and the addresses that a disk's own configuration gives its machine
 *
 *   etc/hostname
 *   etc/netplan/ *.yaml                         addresses: [10.0.0.1/24]
 *   etc/network/interfaces, interfaces.d/ *     address 10.0.0.1/24
 *   etc/sysconfig/network-scripts/ifcfg-*       IPADDR=10.0.0.1, IPADDR0=..; IPV6ADDR=
 *   etc/sysconfig/network/ifcfg-*               IPADDR='10.0.0.1/24'
 *   etc/NetworkManager/system-connections/ *    address1=10.0.0.1/24,10.0.0.254
 *   etc/systemd/network/ *.network              Address=10.0.0.1/24
 *
 * What DHCP gives is not on the disk and not here.
 *
 * Source:     hostname(5), netplan 1.1, interfaces(5), initscripts' sysconfig.txt, ifcfg(5) of
 *             wicked, nm-settings-keyfile(5), systemd.network(5).
 * Units:      addresses as text, without prefix length.
 * Ownership:  texts live in the arena.
 * Errors:     none: a file that cannot be read says nothing.
 */
#pragma once

#include "base/arena.h"
#include "os/root.h"

struct node_address {
	const char *text, *file;
};

struct node_found {
	const char *hostname; /* NULL: none, or one that says nothing ("localhost") */
	struct node_address *addresses;
	size_t n;
};

void node_found(struct node_found *found, struct arena *a, const struct root *root);
