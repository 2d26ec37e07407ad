/* plan/show.h - the plan as it stands, printed through the schema
 *
 * As YAML it can be loaded again: every key with its value, and behind it where that came
 * from.  As JSON it is one object with every key, null where nothing is said.  Addresses
 * are shown without what follows the '?', password hashes not at all; a plan with one of
 * these is refused when it is loaded again, rather than taken for another.
 *
 * Source:     YAML 1.2, RFC 8259; the keys of plan/schema.h.
 * Units:      as plan/schema.h has them.
 * Ownership:  appends to the caller's buf.
 * Errors:     ERR_SPACE from the buf.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "codec/json.h"
#include "plan/schema.h"

int plan_show(struct buf *out, struct arena *a, const struct plan *plan, struct err *e);

/* The plan as the value of a key, or as an element, of what the caller has open. */
void plan_show_json(struct json *j, struct arena *a, const struct plan *plan);

/* The table of all keys, for people and for the manual page. */
int plan_show_keys(struct buf *out, struct err *e);
void plan_show_key_json(struct json *j, const struct schema_row *row);
