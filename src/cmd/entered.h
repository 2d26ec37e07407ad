/* cmd/entered.h - what a person typed at a console: a plan and its secrets, in memory alone
 *
 *   DIR/ttyS0-plan.yaml     the plan (as JSON, which is YAML), naming the files below
 *   DIR/ttyS0-credentials   access key and secret of the object store
 *   DIR/ttyS0-secret        password of https or sftp, or passphrase of the ssh key
 *   DIR/ttyS0-luks          passphrase of an encrypted disk, with a source
 *   DIR/ttyS0-luks-UUID     of this container (cmd/passphrase.h)
 *
 * DIR is in /run, root's alone; every file has mode 0600, goes through the same loader as any
 * plan, and is overwritten before it is removed.
 *
 * Source:     plan/schema.h for the keys; source/credentials.h for its file.
 * Units:      bytes.
 * Ownership:  the caller keeps the struct, and wipes it with explicit_bzero.
 * Errors:     ERR_IO, ERR_SPACE; ERR_FORMAT for an address without a scheme.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/* Of what a person typed at the image's menu. */
#define ENTERED_DIR "/run/etcd-rescue/entered"

enum { ENTERED_TEXT = 4096, ENTERED_WORD = 256 };

struct entered {
	char source[ENTERED_TEXT], snapshot[ENTERED_WORD], network[ENTERED_WORD * 2];
	char endpoint[ENTERED_WORD], region[64], access[ENTERED_WORD], session[ENTERED_TEXT];
	char user[ENTERED_WORD], host_key[ENTERED_WORD], identity[ENTERED_WORD];
	char secret[ENTERED_WORD]; /* of whichever source it is */
	char luks[ENTERED_WORD];
};

enum entered_kind { ENTERED_S3, ENTERED_HTTPS, ENTERED_SFTP, ENTERED_OTHER };

/* By the scheme of the address. */
int entered_kind(enum entered_kind *kind, const char *source, struct err *e);

/* Write plan and secrets as `who`'s; `*plan` is the plan's path. */
int entered_write(const char **plan, struct arena *a, const char *dir, const char *who,
	const struct entered *entered, struct err *e);

/* A text as `who`'s file `name`, in the place of an older one. */
int entered_file(const char **path, struct arena *a, const char *dir, const char *who,
	const char *name, struct str text, struct err *e);

/* Overwrite and remove everything of `who`; NULL: everybody's. */
void entered_wipe(const char *dir, const char *who);
