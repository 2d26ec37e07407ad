/* plan/redact.h - texts that leave the machine, without what must not
 *
 *   https://u:p@host/x?sig=..   https://...@host/x?...
 *   secret_key = abc            secret_key = (hidden)     any name with secret, password,
 *                               passphrase, session token, authorization or signature in it
 *   $6$salt$hash                (hidden)
 *   eyJhb.. sha256~..           (hidden): tokens for a Kubernetes API
 *   -----BEGIN .. PRIVATE KEY   (hidden), up to its end
 *   every text that was named as a secret, wherever it stands
 *
 * It is the last guard, not the first: texts of this program hold no secrets to begin with.
 *
 * Source:     none.
 * Units:      bytes.
 * Ownership:  the known secrets are borrowed.
 * Errors:     ERR_SPACE from the buf.
 */
#pragma once

#include "base/buf.h"

enum { REDACT_KNOWN = 64, REDACT_LEAST = 6 };

struct redact {
	struct str known[REDACT_KNOWN];
	size_t n;
};

/* Shorter ones than REDACT_LEAST would blacken half of every text: they are not taken. */
void redact_know(struct redact *r, struct str secret);

int redact_text(struct buf *out, const struct redact *r, struct str text, struct err *e);
