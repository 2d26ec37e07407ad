/* net/download.h - one object over several connections at once, as a stream
 *
 *   parts    0    1    2    3    4    5 ...        each `part` bytes, asked for as a range
 *            out  in   in   in   -    -            a ring of as many buffers as streams
 *
 * The first answer says how long the object is and which version of it we read; every later
 * one must be of that version. A part whose connection breaks, stalls or crawls goes on where
 * it stopped. A server without ranges is read over one connection; when that breaks, what is
 * there already is read again and passed over, if the server can tell that it is the same.
 * One that knows ranges and tells neither ETag nor Last-Modified is read with a warning.
 * With headers of the caller's no redirect is followed: they may be secrets for that host alone.
 *
 * Nothing happens but in stream_read: whoever does not read does not download, and the time
 * in between counts for no deadline.
 *
 * Source:     RFC 9110 (ranges, If-Match); libcurl 8 multi interface.
 * Units:      bytes; milliseconds.
 * Ownership:  url, etag and headers are copied; the rest is borrowed until the stream is
 *             closed. The buffers are streams * part bytes, two parts at least.
 * Errors:     those of net/http.h; ERR_MISMATCH where the object changed meanwhile; ERR_NET
 *             after `tries` failures in a row that brought almost nothing.
 */
#pragma once

#include "base/event.h"
#include "base/stream.h"
#include "net/http.h"

enum { DOWNLOAD_STREAMS_MAX = 32 };

struct download_stats {
	uint64_t wire; /* bytes of bodies that came, those read twice too */
	unsigned requests, retries;
};

struct download_request {
	const char *url;
	const char *const *headers; /* for every request; NULL: none */
	const char *etag;           /* which version; NULL: that of the first answer */
	const struct trust *trust;
	const char *proxy; /* as of net/http.h */
	const struct listener *listener;
	struct download_stats *stats; /* NULL: nobody counts */
	/* Credentials for the next request, which live until the next call; NULL: none needed.
	 * `expired`: the server said so of the last ones. */
	int (*auth)(void *ctx, struct http_auth *auth, bool expired, struct err *e);
	/* Says better than the status why the server refused; may be NULL. */
	void (*explain)(void *ctx, const struct http_response *response, struct err *e);
	void *ctx;
	unsigned streams;  /* 0: 4 */
	uint64_t part;     /* 0: 8 MiB */
	unsigned stall_ms; /* nothing came for so long; 0: 30,000 */
	unsigned slow;     /* bytes a second over that time that are too few; 0: 2,048 */
	unsigned tries;    /* 0: 10; half of them while nobody has answered */
	unsigned hurry;    /* divides the waits between tries, for tests; 0: 1 */
};

/* Returns when the first answer has begun: stream->size is 0 only where it is not told. */
int download_open(struct stream *stream, const struct download_request *request, struct err *e);
