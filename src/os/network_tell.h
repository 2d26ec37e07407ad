/* os/network_tell.h - what network_up tells at its end, and what it waits for in vain
 *
 * Source:     the leases that the DHCP clients' scripts wrote, os/network_lease.h.
 * Units:      none.
 * Ownership:  texts live in the arena or in the description.
 * Errors:     none: what is not known is NULL; a text that is full is full.
 */
#pragma once

#include "os/network.h"

/* The result of a network whose card `link` has `address`; both NULL when there is none. */
void network_tell_result(struct network_result *result, struct arena *a, const struct network *n,
	const struct root *root, const char *link, const char *address);

/* ", eth7 does not exist" for each card that was asked for by name and is not there. */
void network_tell_absent(
	struct buf *text, const struct network *n, const struct link *links, size_t n_links);
