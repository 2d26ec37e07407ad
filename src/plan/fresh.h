/* plan/fresh.h - a disk on which no control plane is yet, taken for a kubeadm master's
 *
 * Who it will be is told, or is what the plan's match, the disk's host name and network
 * configuration and the members of the snapshot say: name first, then the address of the member
 * of that name.  Only certificates and kubeconfigs can be made for it; its static pods and the
 * kubelet's configuration come from a healthy master's archive.
 *
 * Source:     design of a fresh master.
 * Units:      none.
 * Ownership:  everything lives in the arena of the set of files.
 * Errors:     ERR_USAGE with what is to be told.
 */
#pragma once

#include "plan/rewrite.h"

struct plan_fresh {
	const char *name, *address; /* NULL: to be found out */
};

/* `machine` as for plan_identify. */
int plan_fresh(struct plan_rewrite *r, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, const struct plan_fresh *told,
	const struct etcd_known_member *known, struct err *e);
