/* net/http.h - requests over libcurl: streamed or into memory, with limits and deadlines
 *
 * Only http and https, redirects included; at most 5 redirects, never from https to http.
 * A request that asks for a range fails unless the server answers with that range.
 * `proxy`: NULL takes http_proxy, https_proxy, all_proxy and no_proxy from the
 * environment; "" uses none; else the proxy's URL.
 *
 * Source:     libcurl 8 easy interface; net/sigv4.h for AWS signatures.
 * Units:      bytes; milliseconds; `date` in seconds since 1970.
 * Ownership:  http_response owns nothing; texts are cut to their fields.
 * Errors:     ERR_NET no connection, no name, stalled; ERR_AUTH 401, 403 and certificates;
 *             ERR_NOTFOUND 404, 410; ERR_SPACE past the cap; ERR_MISMATCH range or length
 *             not as promised; ERR_FORMAT, ERR_UNSUPPORTED for the URL.  Whatever the sink
 *             returns comes back as it is.  Texts never hold userinfo or query.
 *             net/retry.h says which of them to try again.
 */
#pragma once

#include "base/buf.h"
#include "net/trust.h"

/* Connections to be used again by the next request; NULL where none is wanted. */
struct http_session;
struct http_session *http_session_open(void);
void http_session_close(struct http_session *session);

enum http_auth_kind { HTTP_AUTH_NONE, HTTP_AUTH_BASIC, HTTP_AUTH_BEARER, HTTP_AUTH_SIGV4 };

struct http_auth {
	enum http_auth_kind kind;
	const char *user;             /* SIGV4: the access key id */
	const char *secret;           /* password, bearer token, secret access key */
	const char *session;          /* SIGV4: session token; NULL: none */
	const char *region, *service; /* SIGV4 */
};

struct http_request {
	const char *url;
	const char *method;           /* NULL: GET */
	struct span body;             /* of POST and PUT; not followed through redirects */
	const struct http_auth *auth; /* NULL: none; never sent to another host */
	const struct trust *trust;    /* NULL: no https */
	const char *proxy;
	const char *connect_to; /* "HOST:PORT" that is connected to, for the URL's; NULL: that */
	struct http_session *session;
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
	bool head;                  /* headers only */
	bool stay;                  /* follow no redirect */
	uint64_t from, len;         /* a range; both 0: all */
	uint64_t cap;               /* refuse a longer body; 0: none */
	unsigned connect_ms;        /* 0: 15,000 */
	unsigned stall_ms;          /* give up when nothing came for so long; 0: 30,000 */
	unsigned total_ms;          /* 0: none */
	/* Called with each piece, in order, after the status is known to be 2xx. */
	int (*sink)(void *ctx, struct span bytes, struct err *e);
	void *ctx;
};

struct http_response {
	unsigned status;   /* the last one; 0: there was no answer */
	uint64_t got;      /* bytes of the body */
	uint64_t length;   /* of the whole object, where the server told; else UINT64_MAX */
	int64_t date;      /* the Date header; 0: none */
	unsigned retry_ms; /* Retry-After; 0: none */
	unsigned took_ms;
	char etag[128], modified[64], type[64];
	char version[128];  /* x-amz-version-id */
	char region[64];    /* x-amz-bucket-region */
	char cluster[32];   /* x-etcd-cluster-id */
	bool connected;     /* somebody took the connection, whatever came of it */
	char refusal[1024]; /* how the body of an answer that is not 2xx begins */
};

/* `response` is filled as far as there was one, also on failure. */
int http_get(struct http_response *response, const struct http_request *request, struct err *e);

/* The whole body into `body`, whose maximum is the cap; with retries (net/retry.h). */
int http_get_buf(struct buf *body, struct http_response *response,
	const struct http_request *request, unsigned deadline_ms, struct err *e);
