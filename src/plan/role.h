/* plan/role.h - what a node does: as the plan says, by the plan's recovery-host each node its own,
 * or what its disk makes of it
 *
 *   plan_role_find   of a control plane that was found
 *   plan_role_bare   of a disk on which none was: is it a node that runs no etcd?
 *
 * A node without an etcd is one by the files of its layout, none of which may be a master's
 * (kube/layout.h), and only where none of the plan's members is this machine.
 *
 * Source:     design of the plan file: role, recovery-host.
 * Units:      none.
 * Ownership:  everything lives in the arena of the node's files.
 * Errors:     ERR_UNSUPPORTED the layout cannot do it; ERR_DECLINED what the plan says does not
 *             fit; ERR_NOTFOUND it is not known to be a node without an etcd.
 */
#pragma once

#include "plan/rewrite.h"

struct plan_role_found {
	enum plan_role role; /* AUTO: restore */
	const char *why;
	const char *warning; /* NULL: none */
};

/* `rewrite` as plan_rewrite left it, with a plan. */
int plan_role_find(
	struct plan_role_found *found, const struct plan_rewrite *rewrite, struct err *e);

/* `files` of the running system; `machine` NULL: the disk is looked at from elsewhere. */
int plan_role_bare(struct plan_role_found *found, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, struct err *e);

const char *plan_role_word(enum plan_role role); /* "restore", "single", ... */
