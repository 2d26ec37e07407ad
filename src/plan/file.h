/* plan/file.h - the plan file: YAML (or JSON) into struct plan, every mistake with its place
 *
 * Reading goes in three steps, because the kernel line may add to a file that is not
 * complete without it: plan_read takes the file over the defaults, plan_override takes one
 * key said elsewhere, plan_check looks at what only the whole can tell.
 *
 * Source:     plan/schema.h.
 * Units:      a plan file is at most PLAN_FILE_MAX bytes.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT, "FILE:LINE:COLUMN: key: what is wrong"; the plan is then not to be
 *             used.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "plan/schema.h"

enum { PLAN_FILE_MAX = 256 * 1024 };

/* All defaults, nothing said. */
void plan_defaults(struct plan *plan, struct arena *a);

/* `name` is what messages call the file. */
int plan_read(
	struct plan *plan, struct arena *a, struct str source, const char *name, struct err *e);

/* `key` (a row of shape SCHEMA_ONE at the top) said on the kernel line as `word`. */
int plan_override(struct plan *plan, struct arena *a, const char *key, const char *text,
	const char *word, struct err *e);

/* What is missing or does not go together; `name` as for plan_read. */
int plan_check(const struct plan *plan, const char *name, struct err *e);
