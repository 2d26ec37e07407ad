/* source/s3_address.h - what an s3:// address names, and the URLs it becomes
 *
 *   s3://BUCKET/KEY                     KEY: the whole name of an object, or how names begin
 *   s3://BUCKET/KEY?versionId=ID        one version of it
 *   s3://BUCKET/KEY?versions            every version there is
 *
 * Percent-encoding in the address is undone; what is none stands for itself, so that a name
 * copied from a console works: only '%', '?' and '#' need it.
 *
 *   path    https://ENDPOINT/BUCKET/KEY      custom endpoints, addresses, names with dots
 *   host    https://BUCKET.ENDPOINT/KEY      AWS
 *
 * Source:     Amazon S3 user guide, "Bucket naming rules", "Virtual hosting of buckets";
 *             AWS Signature Version 4, UriEncode.
 * Units:      bytes.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_USAGE for an address, endpoint or region that makes no sense.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "source/source.h"

enum { S3_KEY_MAX = 1024 };

struct s3_address {
	const char *bucket;
	struct str key;      /* empty: the whole bucket; zero-terminated */
	const char *version; /* NULL: the newest */
	bool versions;       /* all of them */
};

int s3_address_parse(struct s3_address *address, struct arena *a, struct str text, struct err *e);

/* "s3://BUCKET/KEY" that parses to the same. */
const char *s3_address_print(struct arena *a, const char *bucket, struct str key);

struct s3_endpoint {
	const char *scheme, *host; /* an IPv6 address stands without its brackets */
	const char *base;          /* path below which the service is; "" mostly */
	uint16_t port;             /* 0: the scheme's own */
	bool aws;                  /* the host follows from the region */
	bool by_host;              /* where the bucket's name goes */
	char region[64];
};

/* `text` NULL: AWS.  `region` NULL: what the endpoint's own name says, else "us-east-1". */
int s3_endpoint_set(struct s3_endpoint *endpoint, struct arena *a, const char *text,
	const char *region, enum source_addressing addressing, const char *bucket, struct err *e);

bool s3_region_is_one(struct str region);
void s3_endpoint_move(struct s3_endpoint *endpoint, struct arena *a, struct str region);

/* `query` is encoded already; NULL: none. */
const char *s3_endpoint_url(struct arena *a, const struct s3_endpoint *endpoint, const char *bucket,
	struct str key, const char *query);
const char *s3_endpoint_shown(struct arena *a, const struct s3_endpoint *endpoint);

/* UriEncode of AWS, for a value of the query; with `path` a '/' stays. */
const char *s3_encode(struct arena *a, struct str text, bool path);
