/* node/clock.h - the true time, from whoever can tell it
 *
 * In this order: the time servers of the plan, the kernel line and DHCP; else the Date of
 * an answer from `url` (a plan's or a source's address).  A Date over https is taken only
 * when the server's certificate is valid at that very Date: with a clock in 1970 the
 * first look goes unverified, the second one, with the clock it gave, must verify, or
 * the clock is put back.
 *
 * Source:     RFC 9110 section 6.6.1.
 * Units:      milliseconds in off_ms: > 0 the clock was behind.
 * Ownership:  `from` points to the caller's own texts or to a literal.
 * Errors:     ERR_NET when nobody answered; the clock is then as before, but never below
 *             the floor of os/clock.h.
 */
#pragma once

#include "base/event.h"
#include "net/trust.h"
#include "os/clock.h"

struct node_clock_wish {
	const char *const *ntp; /* servers, best first */
	size_t n_ntp;
	const char *url; /* NULL: none */
	const struct trust *trust;
	const char *proxy; /* as in net/http.h */
};

struct node_clock {
	bool set;         /* the clock was set from outside */
	const char *from; /* the time server or URL that told */
	int64_t off_ms;
};

/* Say what was done and how much it was off through `listener`. */
int node_clock_set(struct node_clock *result, const struct node_clock_wish *wish,
	const struct root *root, const struct listener *listener, struct err *e);
