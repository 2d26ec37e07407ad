/* net/download_lane.h - inside net/download: the state, and one request for one part
 *
 * Source:     none.
 * Units:      as net/download.h.
 * Ownership:  struct download owns everything below it.
 * Errors:     as net/download.h; what ends the download is left in `failed`.
 */
#pragma once

#include "base/arena.h"
#include "net/download.h"
#include "net/transfer.h"

enum part_state { PART_UNUSED, PART_WAITS, PART_RUNS, PART_WHOLE };

struct part {
	enum part_state state;
	uint64_t at;      /* where it begins in the object */
	size_t len, have; /* bytes of it, and how many came */
	size_t had;       /* when it failed last */
	unsigned failures;
	bool doubted; /* once an answer was of another version than it should be */
	int64_t retry_at;
	uint8_t *bytes;
};

struct lane {
	struct download *d;
	struct part *part; /* NULL: idle */
	CURL *curl;
	struct transfer t;
	struct http_request q;
	struct http_response r;
	struct http_auth auth;
	struct err e;
	unsigned generation; /* of the credentials it went out with */
	bool checked, paused, other_version;
	uint64_t skip;       /* bytes of the body that are here already */
	int64_t heard_at;    /* clock of the download */
	int64_t window_from; /* for the average */
	uint64_t window_bytes;
	char match[192];
	const char **headers;
};

struct download {
	struct arena arena;
	struct download_request q;
	struct download_stats *stats, own_stats;
	CURLM *multi;
	struct lane *lanes;
	struct part *parts; /* a ring: part i is parts[i % n_parts] */
	unsigned n_lanes, n_parts;
	char **own_headers;
	size_t n_headers;
	uint64_t head, begun; /* part that is read, and how many were begun */
	size_t out;           /* bytes of the head already handed out */
	uint64_t size;        /* UINT64_MAX: not told */
	bool known;           /* the first answer came */
	bool plain;           /* no ranges: one connection, one body */
	bool ended;           /* plain, and all of the body came */
	int64_t clock, entered;
	int64_t told_at; /* when a person was last told of a failure; 0: not yet */
	char etag[128], modified[64];
	unsigned generation; /* of credentials; */
	bool has_worked;     /* the present ones */
	bool renew;          /* the present ones have expired */
	struct err failed;
};

/* Ask for what is missing of `part`. */
int lane_begin(struct lane *lane, struct part *part, struct err *e);

/* The request is over, as libcurl or lane->e says; the part is whole, waits, or `failed` is set. */
void lane_end(struct lane *lane, CURLcode code);

/* Ends a request that stalls or crawls. */
void lane_watch(struct lane *lane);
