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

/* The same of a disk without a control plane, which `e` says: a node without an etcd; a fresh
 * master, with the archive of the plan's pki:, which is read; or the error stays. */
struct kube_files;
struct plan_machine;
int cmd_plan_bare(struct app *app, const struct cmd_target *target, struct kube_files *files,
	const struct plan_machine *machine, struct err *e);

/* What `run` would do here, or why it would not. */
struct plan_rewrite;
void cmd_target_role(struct plan_rewrite *r, struct err *refused);

/* What was found and every change: for people, with diffs; or one object. */
int cmd_target_text(struct buf *out, const struct plan_rewrite *r, struct err *e);
int cmd_target_json(struct buf *out, const struct plan_rewrite *r, struct err *e);

/* The plan in a file that a person names. */
int cmd_plan_file(struct plan *plan, struct app *app, const char *name, struct err *e);
