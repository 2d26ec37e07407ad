/* os/network_do.h - carry one action out
 *
 * What a client that stays running says goes to NETWORK_STATE/<card>.log.
 *
 * Source:     as os/network_actions.h.
 * Units:      none.
 * Ownership:  none.
 * Errors:     none: what went wrong is told to the listener, and the next action follows.
 *             A network that is half up may be all a person needs.
 */
#pragma once

#include "base/event.h"
#include "os/network.h"

/* All of them, in order, from the `from`th on. */
void network_do(const struct actions *list, size_t from, const struct listener *listener);

/* End the DHCP clients an earlier call left for this card, and forget what they said. */
void network_end_clients(const char *link);

/* Replace a file below NETWORK_STATE. */
int network_note(const char *name, struct str text, struct err *e);
