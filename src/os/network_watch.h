/* os/network_watch.h - what the kernel tells about cards, addresses and name servers
 *
 * Source:     rtnetlink(7); RFC 8106 section 5.1 (name servers in router advertisements,
 *             which the kernel hands on as RTM_NEWNDUSEROPT).
 * Units:      milliseconds.
 * Ownership:  nothing to free but the descriptor.
 * Errors:     network_watch_open gives -1 where there is no rtnetlink: then the wait is
 *             its time-out, once a second, and all goes on a little later.
 */
#pragma once

#include "base/buf.h"
#include "os/root.h"

int network_watch_open(void);

/* Wait until something changes, `timeout_ms` at most.  Name servers that a router
 * announced meanwhile are noted for their card; true when there were any. */
bool network_watch_wait(int fd, int timeout_ms);

/* Name servers in the messages of one netlink datagram, as lines of resolv.conf for the
 * card `*index`; false when there are none.  Pure. */
bool network_watch_servers(struct buf *lines, unsigned *index, struct span datagram);

/* The addresses of a card that others can reach (or, with `local`, fe80:: too). */
struct network_addresses {
	char v4[64], v6[64]; /* "192.0.2.7/24"; "" when there is none */
};
void network_addresses(
	struct network_addresses *found, const struct root *root, const char *link, bool local);
