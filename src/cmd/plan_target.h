/* cmd/plan_target.h - `plan --root` and `rewrite`: what a plan makes of the control plane below
 * a directory
 *
 * Source:     design of the command line.
 * Units:      none.
 * Ownership:  borrows the plan; NULL shows the node as it is.
 * Errors:     those of plan/rewrite.h; app->status 4 when some files were replaced and some not.
 */
#pragma once

#include "cmd/applets.h"
#include "cmd/output.h"
#include "plan/schema.h"

struct cmd_target {
	const char *dir; /* where the disk is mounted */
	const struct plan *plan;
	bool json;
	bool apply;
	const char *snapshot;       /* to be restored there; NULL: not known */
	const struct root *machine; /* the one that the disk is in; NULL: another */
};

int cmd_plan_target(struct app *app, const struct cmd_target *target, struct err *e);

/* What was found and every change: for people, with diffs; or one object. */
struct plan_rewrite;
int cmd_target_text(struct buf *out, const struct plan_rewrite *r, struct err *e);
int cmd_target_json(struct buf *out, const struct plan_rewrite *r, struct err *e);

/* The plan in a file that a person names. */
int cmd_plan_file(struct plan *plan, struct app *app, const char *name, struct err *e);
