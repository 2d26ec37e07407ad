/* net/imds.h - what the cloud tells an instance about itself: EC2's metadata service, version 2
 *
 *   PUT /latest/api/token                            a token, for the next six hours
 *   GET /latest/dynamic/instance-identity/document   instance, region, zone
 *   GET /latest/meta-data/iam/security-credentials/  the role, and below it its credentials
 *
 * Version 1, which answers without a token, is never used: what makes somebody's server send
 * a plain GET would get the role with it. No proxy is ever used, and no redirect followed.
 * A machine that is no instance loses two seconds at most by asking.
 *
 * Source:     Amazon EC2 user guide, "Use the Instance Metadata Service"; the variables
 *             AWS_EC2_METADATA_SERVICE_ENDPOINT, _ENDPOINT_MODE and _DISABLED as the AWS
 *             SDK reference has them.
 * Units:      seconds since 1970 for `expires`.
 * Ownership:  imds_open opens a connection, imds_close closes it and forgets the token.
 * Errors:     ERR_NOTFOUND: there is no such service here, no such path, no role; ERR_AUTH:
 *             it is switched off or refuses us; ERR_FORMAT: an answer that makes no sense;
 *             ERR_NET: it answered once and then no more.
 */
#pragma once

#include "base/buf.h"

struct http_session;

struct imds {
	char endpoint[256]; /* without a slash at the end */
	char token[512];
	struct http_session *session;
	unsigned limit_ms; /* of one answer, may be set after imds_open; 0: ten seconds */
};

struct imds_identity {
	char instance[32], region[32], zone[48];
	char account[24], type[32]; /* empty: not told */
};

struct imds_credentials {
	char role[128];
	char access[160], secret[256], session[4096];
	int64_t expires;
};

/* Get a token.  `endpoint` NULL: the environment's, else AWS's own addresses, IPv4 first. */
int imds_open(struct imds *imds, const char *endpoint, struct err *e);
void imds_close(struct imds *imds);

/* What stands at `path` ("/latest/..."), with a new token where the old one has expired. */
int imds_get(struct buf *body, struct imds *imds, const char *path, struct err *e);

int imds_identity(struct imds_identity *identity, struct imds *imds, struct err *e);

/* Of the role the instance has now; asked for anew each time. */
int imds_credentials(struct imds_credentials *credentials, struct imds *imds, struct err *e);
void imds_forget(struct imds_credentials *credentials); /* overwrite them */

/* The two answers, read; for the container endpoints too, which answer in the same words.
 * `role` is left alone. */
int imds_read_identity(struct imds_identity *identity, struct str json, struct err *e);
int imds_read_credentials(struct imds_credentials *credentials, struct str json, struct err *e);
