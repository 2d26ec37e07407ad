/* plan/identify.h - which node this is, put together from the plan, the machine, the disk, the
 * control plane on it and the members of the snapshot; see node/identity.h for who wins
 *
 * A snapshot's member whose peer URL has one of this node's addresses is this node's; addresses
 * that the plan replaces count as well.
 *
 * Source:     design of the step `identify`.
 * Units:      none.
 * Ownership:  everything lives in the arena of the node's files.
 * Errors:     ERR_DECLINED: two members of the plan match this machine.  What nobody knows stays
 *             NULL.
 */
#pragma once

#include "etcd/status.h"
#include "kube/layout.h"
#include "node/identity.h"
#include "plan/machine.h"
#include "plan/schema.h"

struct plan_identity {
	struct identity identity;
	const struct plan_member *member; /* the plan's, by its match; NULL: none */
};

/* Conflicts become warnings of the node.  `machine` NULL: the disk is looked at from elsewhere. */
int plan_identify(struct plan_identity *found, struct kube_node *node, const struct plan *plan,
	const struct plan_machine *machine, struct err *e);

/* The same again with what the snapshot's members say. */
void plan_identify_members(struct plan_identity *found, struct kube_node *node,
	const struct plan *plan, const struct etcd_known_member *known);
