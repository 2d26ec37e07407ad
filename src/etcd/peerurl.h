/* etcd/peerurl.h - a peer URL in the form etcd compares, hashes and stores
 *
 * Member ids are a hash over URL *texts*, so the text has to be what Go's url.Parse and
 * String make of the argument: blanks trimmed, scheme in lower case, host as given, no
 * default port, userinfo and query kept, the rest percent-encoded again.
 *
 * Source:     Go net/url; etcd client/pkg/types/urls.go.
 * Units:      bytes of UTF-8.
 * Ownership:  the result lives in the arena.
 * Errors:     ERR_USAGE with etcd's own words.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { ETCD_URL_MAX = 4096 };

int etcd_peerurl_normalise(struct str *url, struct arena *a, struct str text, struct err *e);
