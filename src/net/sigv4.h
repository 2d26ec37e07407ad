/* net/sigv4.h - AWS signature version 4 of one request, in its headers
 *
 * libcurl 8.14 has one too, which turns a '+' of the query into a blank, so that AWS's own
 * continuation tokens are refused one time out of three, and which cannot sign a path with
 * "." or ".." in it, as keys of objects have them.
 *
 * Source:     AWS "Create a signed AWS API request"; S3 "Signature Calculations for the
 *             Authorization Header", whose examples are the tests.
 * Units:      seconds since 1970.
 * Ownership:  what is signed is borrowed, the lines live in the arena.
 * Errors:     ERR_USAGE: credentials or region missing; ERR_SPACE: too long to be taken.
 */
#pragma once

#include "base/arena.h"
#include "base/span.h"
#include "net/http.h"

struct sigv4 {
	const struct http_auth *auth;
	const char *method;
	const char *host;           /* as the Host header has it */
	struct str path, query;     /* as they are sent */
	const char *const *headers; /* "Name: value": signed too; NULL: none */
	struct span body;
	int64_t now;
};

enum { SIGV4_LINES = 6 };

/* The headers to send besides: host, date, digest of the body (S3), token, authorization. */
int sigv4_sign(
	const char *lines[SIGV4_LINES], struct arena *a, const struct sigv4 *q, struct err *e);
