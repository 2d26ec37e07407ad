/* cmd/plan_target.h - `plan --root`: what a plan makes of the control plane below a directory
 *
 * Source:     design of the command line.
 * Units:      none.
 * Ownership:  borrows the plan; NULL shows the node as it is.
 * Errors:     those of plan/rewrite.h.
 */
#pragma once

#include "cmd/applets.h"
#include "cmd/output.h"
#include "plan/schema.h"

int cmd_plan_target(
	struct app *app, const char *dir, const struct plan *plan, bool as_json, struct err *e);
