/* source/credentials.h - the keys of an AWS account, from wherever a machine has them
 *
 *   env          AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   web identity AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, for which STS gives keys
 *   file         AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, or the file of the plan;
 *                in the image /run/etcd-rescue/credentials, which lives in memory alone
 *   container    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI: ECS and EKS
 *   imds         the role of the instance, net/imds.h
 *
 * In this order, the first that is there; one that is there and does not work ends the
 * search with its reason, for nobody wants to be another user by accident.  The rescue
 * image takes no environment: there are the files and the role.
 *
 * A file is what the AWS tools write (sections of "name = value", AWS_PROFILE chooses; s3cmd's
 * and rclone's names are known too), "export NAME=value" lines, ACCESS:SECRET on one line, or
 * the JSON that STS answers with.
 *
 * Source:     AWS SDKs and Tools reference guide, "Standardized credential providers";
 *             AWS STS API, AssumeRoleWithWebIdentity of 2011-06-15.
 * Units:      seconds since 1970.
 * Ownership:  the struct holds everything; credentials_forget overwrites it.
 * Errors:     ERR_AUTH: none found (with what was tried), or refused; ERR_FORMAT: a file or an
 *             answer that makes no sense; ERR_NET: who gives them cannot be reached.
 */
#pragma once

#include "base/event.h"
#include "base/str.h"
#include "net/trust.h"
#include "os/root.h"

enum credentials_kind {
	CREDENTIALS_UNKNOWN, /* none yet */
	CREDENTIALS_NONE,    /* wanted without: requests are not signed */
	CREDENTIALS_ENV,
	CREDENTIALS_WEB_IDENTITY,
	CREDENTIALS_FILE,
	CREDENTIALS_CONTAINER,
	CREDENTIALS_IMDS,
};

struct credentials {
	enum credentials_kind kind;
	char access[160], secret[256], session[4096]; /* session empty: none */
	int64_t expires;                              /* 0: never */
	char from[256];                               /* in words, without any secret */
};

struct credentials_settings {
	const char *which;  /* auto, env, file, file:PATH, imds, none; NULL: auto */
	const char *region; /* whose STS to ask; NULL: the environment's */
	const struct root *root;
	const struct trust *trust;
	const char *proxy; /* for STS alone: the others are close by */
	const struct listener *listener;
	bool image;
};

/* Get keys.  Where `c` holds some already, new ones are taken from where those came from. */
int credentials_get(
	struct credentials *c, const struct credentials_settings *settings, struct err *e);

/* Do they last another five minutes? */
bool credentials_last(const struct credentials *c, int64_t now);

void credentials_forget(struct credentials *c);

/* The text of a credentials file; `profile` NULL: "default", or the only one there is. */
int credentials_read_file(
	struct credentials *c, struct str text, const char *profile, struct err *e);
