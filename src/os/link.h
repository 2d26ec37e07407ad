/* os/link.h - the network cards of a machine, as /sys/class/net tells them
 *
 * Order: by name with numbers counted ("eth2" before "eth10"), loopback last.
 *
 * Source:     Documentation/ABI/testing/sysfs-class-net, Linux 6.12.
 * Units:      megabits a second; bytes for the MTU.
 * Ownership:  the array and its texts live in the arena.
 * Errors:     ERR_IO, ERR_NOTFOUND when there is no /sys/class/net.  A card that vanishes
 *             while it is read is left out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "os/root.h"

struct link {
	const char *name;
	const char *mac;    /* "52:54:00:12:34:56" in lower case; "" when it has none */
	const char *driver; /* "virtio_net"; "" for what has no device below it */
	const char *bus;    /* "0000:03:00.0"; "" likewise */
	const char *kind;   /* "bond", "vlan", "bridge", "wlan" ...; "" for a plain card */
	unsigned index, mtu;
	unsigned speed;    /* 0: not known */
	int carrier;       /* 1: yes; 0: no; -1: not known, the card is switched off */
	bool up, loopback; /* up: switched on, whether or not there is carrier */
	bool wired;        /* an Ethernet card that can be asked for an address */
};

int link_list(
	struct link **links, size_t *n, struct arena *a, const struct root *root, struct err *e);

/* The card of that name or NULL; of that MAC (case does not matter) or NULL. */
const struct link *link_named(const struct link *links, size_t n, const char *name);
const struct link *link_with_mac(const struct link *links, size_t n, const char *mac);
