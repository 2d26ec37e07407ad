/* os/network_lease.h - what a DHCP server said about a card
 *
 * The script that carries a lease out leaves NAME=VALUE lines in
 * NETWORK_STATE/<card>.lease; names are udhcpc's.
 *
 * Source:     BusyBox 1.37 networking/udhcp; RFC 2132 options 12, 42; option 224 is of
 *             the private range and here holds a plan's URL.
 * Units:      none.
 * Ownership:  texts live in the arena.
 * Errors:     none: what is missing or malformed is NULL.
 */
#pragma once

#include "base/arena.h"
#include "os/root.h"

/* The value of `key`, or NULL. */
const char *network_lease_value(
	struct arena *a, const struct root *root, const char *link, const char *key);

/* Text of an option udhcpc does not know and so gives as hexadecimal digits; NULL when it
 * is not printable ASCII or longer than 1024 bytes. */
const char *network_lease_text(struct arena *a, struct str hex);

/* `name` when it can be a host's name, which later stands in URLs and files; else NULL. */
const char *network_lease_host(const char *name);
