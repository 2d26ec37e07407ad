/* source/s3_answer.h - what an object store answers: a page of a listing, or why not
 *
 *   ListBucketResult     of both versions: the second has KeyCount and NextContinuationToken
 *   ListVersionsResult   Version and DeleteMarker
 *   Error                Code, Message, Region
 *
 * Source:     Amazon S3 API reference; what Ceph, MinIO and moto answer.
 * Units:      bytes; seconds since 1970.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT: this is no listing; ERR_SPACE: more than any page holds.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "net/http.h"

struct s3_item {
	struct str key;                       /* decoded; zero-terminated */
	const char *etag, *version, *storage; /* NULL: not told */
	uint64_t size;
	int64_t modified;
	bool old; /* not the newest version */
};

struct s3_page {
	struct s3_item *v;
	size_t n;
	const char **below; /* with a delimiter: what names begin with */
	size_t n_below;
	struct str last; /* key of it, also of what is passed over */
	bool more;
	const char *token;                   /* of the next page, second version; NULL: none */
	const char *marker, *marker_version; /* of the next page; NULL: none */
};

int s3_page_parse(struct s3_page *page, struct arena *a, struct span answer, struct err *e);

struct s3_refusal {
	char code[64], message[256], region[64]; /* empty: not told */
	bool web_page;                           /* this is no object store at all */
};

/* HTML, as every server but an object store answers with. */
bool s3_is_web_page(struct str text);

void s3_refusal_parse(struct s3_refusal *refusal, const struct http_response *response);
