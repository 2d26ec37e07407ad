/* source/credentials_ways.h - the single ways to a key, for source/credentials.c alone
 *
 * Each fills in the keys, the expiry and `from`.
 *
 * Source:     as source/credentials.h.
 * Units:      as source/credentials.h.
 * Ownership:  as source/credentials.h.
 * Errors:     ERR_NOTFOUND: this way does not exist here, the text says in a few words why;
 *             everything else: it exists and did not work.
 */
#pragma once

#include "base/buf.h"
#include "source/credentials.h"

/* A variable of the environment; NULL where it is empty, and in the image. */
const char *credentials_env(const struct credentials_settings *s, const char *name);

int credentials_by_file(struct credentials *c, const struct credentials_settings *s,
	const char *path, struct err *e);
int credentials_by_web_identity(
	struct credentials *c, const struct credentials_settings *s, struct err *e);
int credentials_by_container(
	struct credentials *c, const struct credentials_settings *s, struct err *e);

/* Copy a key; false when it does not fit, is empty or holds what no key holds. */
bool credentials_take(char *field, size_t size, struct str text);

/* Overwrite what a buffer holds and held. */
void credentials_wipe(struct buf *b);
