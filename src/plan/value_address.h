/* plan/value_address.h - names, addresses and URLs in a plan
 *
 * Source:     RFC 1123 for host names, with the '_' that people use; RFC 3986.
 * Units:      none.
 * Ownership:  texts are copied into the arena.
 * Errors:     ERR_FORMAT, as plan/value.h has them; a URL is never repeated.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Labels of letters, digits, '-' and '_' with dots between them. */
bool value_is_name(struct str s);
bool value_is_ip(struct str s);

/* A name or an address; what looks like an address must be one. */
bool value_is_host(struct str s);

/* "host:port" or "[address]:port" */
bool value_is_host_port(struct str s);

/* One of the words, or an address whose scheme is one of those that end in ':'. */
int value_set_url(
	const char **out, const char *words, struct arena *a, struct str text, struct err *e);

/* https://HOST:PORT or http: what etcd takes for a peer. */
int value_set_peer(const char **out, struct arena *a, struct str text, struct err *e);
