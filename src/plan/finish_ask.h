/* plan/finish_ask.h - one question to etcd's gateway or to the Kubernetes API, one answer
 *
 * No proxy and no redirect: both are this cluster's own servers.
 *
 * Source:     net/http.h.
 * Units:      milliseconds.
 * Ownership:  texts of the peer are borrowed.
 * Errors:     those of net/http.h, with the beginning of what the server says; `*status` is 0
 *             when nobody answered.
 */
#pragma once

#include "base/buf.h"
#include "net/http.h"

enum { FINISH_ANSWER_MAX = 32 << 20 };

struct finish_peer {
	struct trust trust;
	struct http_session *session;
	const char *token;      /* sent to this server alone; NULL: none */
	const char *connect_to; /* "localhost:6443", whatever the URL says; NULL: as that says */
};

struct finish_question {
	const char *url, *method; /* NULL: GET */
	const char *type;         /* of the body; NULL: application/json */
	struct str body;
};

/* The answer's body is in `out`. */
int finish_ask(struct buf *out, unsigned *status, const struct finish_peer *peer,
	const struct finish_question *question, struct err *e);
