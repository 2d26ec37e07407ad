/* cmd/plan_find.h - the plan of the machine this runs on, for every command that follows it
 *
 * Source:     plan/search.h.
 * Units:      none.
 * Ownership:  everything lives in the app's arena.
 * Errors:     those of search_plan; what was seen beside the plan is told in any case.
 */
#pragma once

#include "cmd/applets.h"
#include "plan/search.h"

/* `media`: removable disks are looked into as well. */
int cmd_plan_find(
	struct delivery *d, struct app *app, const struct root *root, bool media, struct err *e);
