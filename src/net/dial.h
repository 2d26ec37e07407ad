/* net/dial.h - a TCP connection that is given up when nothing answers
 *
 * All addresses of the name are tried in the resolver's order.  What is connected blocks, and
 * dies when the other side is silent for `NET_DIAL_DEAD_S` seconds though something was asked.
 *
 * Source:     tcp(7), Linux 6.12.
 * Units:      milliseconds, unless the name says seconds.
 * Ownership:  the descriptor is the caller's.
 * Errors:     ERR_NET, naming host and port, and what to look at.
 */
#pragma once

#include "base/err.h"

enum { NET_DIAL_DEAD_S = 25 };

/* `each_ms` for every address. */
int net_dial(int *fd, const char *host, unsigned port, int each_ms, struct err *e);
