/* plan/value.h - one value of the plan: checked, brought into one form, stored
 *
 * Source:     the types of plan/schema.h; RFC 1123 for host names, RFC 4122 for UUIDs,
 *             crypt(5) for hashes, ssh-keygen(1) for fingerprints.
 * Units:      as plan/schema.h has them.
 * Ownership:  texts are copied into the arena.
 * Errors:     ERR_FORMAT.  The text begins with a verb or the value and names no place:
 *             "'pth' is none of: auto, path, host".  What could hold a secret is not
 *             repeated.  The field is untouched then.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "plan/schema.h"

/* Store `text` as the row's type into `field`, of the type the row's type says. */
int value_set(
	void *field, const struct schema_row *row, struct arena *a, struct str text, struct err *e);

/* The same for one element of a list of texts. */
int value_text(const char **out, const struct schema_row *row, struct arena *a, struct str text,
	struct err *e);

/* Is this the name of a key that asks for a secret? */
bool value_key_is_secret(struct str key);
