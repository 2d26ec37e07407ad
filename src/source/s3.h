/* source/s3.h - one bucket being asked: what the s3_*.c files share
 *
 *   s3_ask        one question and its answer, healed and asked again where that helps:
 *                 another region, another clock (in the image), newer credentials
 *   s3_explain    why the last one was refused, in one line
 *
 * Source:     Amazon S3 API reference, "Error responses".
 * Units:      bytes; seconds since 1970.
 * Ownership:  texts live in the arena of the source.
 * Errors:     as source/source.h.
 */
#pragma once

#include "base/buf.h"
#include "net/http.h"
#include "source/credentials.h"
#include "source/s3_address.h"
#include "source/s3_answer.h"
#include "source/source.h"

enum { S3_ANSWER_MAX = 8 << 20, S3_TREE_MAX = 48 << 20 };

struct s3 {
	struct source source;
	const struct source_settings *settings;
	struct arena arena;
	struct s3_address address;
	struct s3_endpoint endpoint;
	const char *shown; /* the endpoint, for people */
	bool asks_region;  /* nobody said one: the instance's own, should we be one */
	struct credentials_settings how;
	struct credentials credentials;
	struct http_session *session;
	char sse[3][160]; /* headers of SSE-C; empty: none */
	const char *sse_headers[4];
	bool v1;                       /* the server knows but the first version of listing */
	bool moved, clocked, answered; /* healed once; has answered */
	bool writes;                   /* what is asked for now */
	char object[S3_KEY_MAX + 3];   /* what is asked for now, quoted; empty: a listing */
	/* The last refusal, for s3_heal. */
	struct s3_refusal refusal;
	unsigned status;
	int64_t date;
};

struct s3_question {
	struct str key;
	const char *query;
	bool first_byte;    /* of an object, for its headers: an error then has a body */
	const char *method; /* NULL: GET */
	struct span body;
	const char *const *headers; /* besides; NULL: none */
	unsigned deadline_ms;       /* 0: a minute, 20 s as long as nobody answered */
};

/* The answer goes to `body`; `r` is of the last try. */
int s3_ask(struct s3 *s, struct buf *body, struct http_response *r, const struct s3_question *q,
	struct err *e);

/* Credentials, and with an instance's own its region: before an address is made. */
int s3_prepare(struct s3 *s, struct err *e);

/* Credentials for the next request. */
int s3_auth(void *ctx, struct http_auth *auth, bool expired, struct err *e);

/* Keep the refusal and say it better than the status does. */
void s3_explain(void *ctx, const struct http_response *response, struct err *e);

bool s3_is_code(const struct s3 *s, const char *code); /* of the last refusal */
bool s3_has_expired(const struct s3 *s);

/* "1 h 2 min", for a person who looks at two clocks. */
void s3_say_span(char *text, size_t size, int64_t seconds);

/* Was what the last refusal named put right, so that it is worth asking again?  ERR_* when it
 * could have been, and was not. */
int s3_heal(bool *again, struct s3 *s, struct err *e);

int s3_list(struct source *source, struct source_objects *objects, struct arena *a, struct err *e);
