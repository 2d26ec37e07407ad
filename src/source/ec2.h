/* source/ec2.h - the few calls of Amazon EC2 that a volume out of a snapshot needs
 *
 *   POST / of ec2.REGION.amazonaws.com, the parameters as a form, signed; the answer is XML
 *
 *   DescribeSnapshots  DescribeVolumes              page by page, up to 10,000
 *   CreateVolume       with a token of its own, so that asking twice makes one
 *   AttachVolume  DetachVolume  DeleteVolume
 *
 * Busy answers and broken connections are repeated here with growing pauses; what had been
 * done before the connection broke then shows as an answer of its own (already attached, no
 * such volume), and the caller looks at the volume instead of trusting the answer.
 *
 * In the rescue image a clock that is too far off for a signature is set by EC2's Date, once.
 *
 * Source:     Amazon EC2 API reference, version 2016-11-15; endpoints as AWS names them, or
 *             AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL.
 * Units:      bytes; seconds since 1970, UTC.
 * Ownership:  what is listed lives in the arena; ec2_close ends the connection.
 * Errors:     ERR_AUTH: refused, and which right (ec2:CreateVolume) lacks; ERR_NOTFOUND: no
 *             such snapshot or volume; ERR_NET: not reached, or busy for too long;
 *             ERR_FORMAT: an answer that makes no sense; ERR_DECLINED: any other refusal, in
 *             EC2's words. `refusal` then has its code.
 */
#pragma once

#include "base/arena.h"
#include "base/span.h"
#include "source/source.h"

struct credentials;
struct credentials_settings;
struct http_session;

enum { EC2_ID = 32 };

struct ec2 {
	const struct source_settings *settings;
	const struct credentials_settings *ways; /* how to get new keys */
	struct credentials *credentials;
	struct http_session *session;
	char region[32], endpoint[256];
	char refusal[64]; /* code of the last refused call: "IncorrectState"; empty: none */
	bool clocked;     /* the clock was set by what EC2 says */
};

struct ec2_filter {
	const char *name, *value;
};

struct ec2_tag {
	const char *name, *value;
};

struct ec2_snapshot {
	const char *id, *volume, *state, *progress;
	uint64_t size; /* of the volume it is of */
	int64_t started;
	const struct ec2_tag *tags;
	size_t n_tags;
};

struct ec2_attachment {
	const char *instance, *device, *state;
};

struct ec2_volume {
	const char *id, *snapshot, *zone, *state;
	uint64_t size;
	const struct ec2_attachment *attached;
	size_t n_attached;
	const struct ec2_tag *tags;
	size_t n_tags;
};

/* Endpoint and session; nothing is asked yet. */
int ec2_open(struct ec2 *ec2, const struct source_settings *settings,
	const struct credentials_settings *ways, struct credentials *credentials,
	const char *region, struct err *e);
void ec2_close(struct ec2 *ec2);

/* By id, or where that is NULL, our own ones that pass all filters; a filter named several
 * times takes any of its values. */
int ec2_snapshots(struct ec2_snapshot **v, size_t *n, struct ec2 *ec2, struct arena *a,
	const char *id, const struct ec2_filter *filters, size_t n_filters, struct err *e);
int ec2_volumes(struct ec2_volume **v, size_t *n, struct ec2 *ec2, struct arena *a, const char *id,
	const struct ec2_filter *filters, size_t n_filters, struct err *e);

struct ec2_order {
	const char *snapshot, *zone;
	const char *type; /* NULL: "gp3" */
	uint64_t iops;    /* 0: the type's own */
	const char *token;
	const struct ec2_tag *tags;
	size_t n_tags;
};

int ec2_create_volume(
	char id[EC2_ID], struct ec2 *ec2, const struct ec2_order *order, struct err *e);
int ec2_attach(struct ec2 *ec2, const char *volume, const char *instance, const char *device,
	struct err *e);
int ec2_detach(struct ec2 *ec2, const char *volume, const char *instance, const char *device,
	struct err *e);
int ec2_delete(struct ec2 *ec2, const char *volume, struct err *e);

const char *ec2_tag(const struct ec2_tag *tags, size_t n, const char *name); /* NULL: none */

/* The answers, read; *more is the token of the next page, NULL: there is none. */
int ec2_read_snapshots(struct ec2_snapshot **v, size_t *n, const char **more, struct arena *a,
	struct span xml, struct err *e);
int ec2_read_volumes(struct ec2_volume **v, size_t *n, const char **more, struct arena *a,
	struct span xml, struct err *e);
int ec2_read_created(char id[EC2_ID], struct span xml, struct err *e);

/* The code and what follows it of a refusal, which may be cut off; empty: none. */
void ec2_read_refusal(char code[64], char message[256], struct span xml);

/* The names an EBS volume can have on an instance, in the order to try them: /dev/sdf to sdp,
 * then /dev/xvdba to xvdcz. NULL past the last. */
const char *ec2_device_name(char name[16], unsigned n);
