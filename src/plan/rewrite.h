/* plan/rewrite.h - what this plan makes of the control plane that is on a disk
 *
 * Reads the node below a root, works out what the restore wants of it (members, token,
 * replaced names and addresses; the plan first, then the disk) and collects the changes.
 * plan_rewrite writes nothing; plan_rewrite_apply does, after every result was read again:
 * first the other files, then those without which etcd does not start.
 *
 * Source:     design of the plan file: cluster, replace, layout.
 * Units:      none.
 * Ownership:  everything lives in the arena of the set of files; plan and root are borrowed.
 * Errors:     those of kube/layout.h.
 */
#pragma once

#include "plan/identify.h"

struct plan_rewrite {
	struct kube_node node;
	struct plan_identity who;
	struct kube_wanted wanted;
	/* Of the main cluster, for who asked plan/membership.h; none: not known. */
	struct kube_members members;
	const char *members_why;
	const struct plan *plan; /* NULL: none */
	/* For who asked plan/role.h; NULL: not known. */
	const char *role, *role_why;
	struct kube_texts fresh; /* files of an archive, of a disk that has none; for who asked */
};

/* `plan` NULL: the node as it is; `machine` NULL: the disk is looked at from elsewhere. */
int plan_rewrite(struct plan_rewrite *r, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, struct err *e);

/* The same once a restore knows token and members, of as many clusters as the node has: these
 * go before the plan's.  `files` is a set that nothing has been changed in. */
int plan_rewrite_decided(struct plan_rewrite *r, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, const struct kube_wanted_cluster *decided,
	struct err *e);

/* `*done` counts the files that were replaced, also on failure. */
int plan_rewrite_apply(size_t *done, const struct plan_rewrite *r, struct err *e);
