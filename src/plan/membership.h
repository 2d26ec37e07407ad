/* plan/membership.h - which members the restored cluster is made of
 *
 *   plan's role: single            this node's own member alone
 *   plan's cluster.members         these
 *   snapshot and a whole list on the disk     they have to say the same, but the disk may
 *                                  know only some; the snapshot's spelling is taken, which
 *                                  is the same on every master
 *   snapshot and a partial list (kubeadm's, as it was when the node joined)
 *                                  the snapshot's, if it has this node at its URL
 *   no snapshot                    the disk's, if it is whole
 *
 * Names and addresses that the plan replaces are replaced in both lists first; a list in which
 * that has been done already is not changed by it.  A learner of the snapshot is a member only
 * if the disk's list has it.  A DNS name and an address at one port may be one host, and are no
 * contradiction.  The plan's members are those of the main cluster ("etcd"); another one has
 * them at the port of its own.
 *
 * Source:     design of the layouts' identity; etcd's --initial-cluster.
 * Units:      none.
 * Ownership:  members and `why` live in the arena and borrow from cluster, plan and snapshot.
 * Errors:     ERR_DECLINED with both lists and what to write into the plan: nobody says all
 *             members, two lists contradict each other, or this node's is not among them.
 */
#pragma once

#include "etcd/status.h"
#include "kube/layout.h"
#include "plan/schema.h"

/* `cluster->name` is this node's member, as it is or will be after the replacement.  `known` are
 * the snapshot's, NULL: it holds none.  `*why` is one line for people. */
int plan_membership(struct kube_members *members, const char **why, struct arena *a,
	const struct kube_cluster *cluster, const struct plan *plan,
	const struct etcd_known_member *known, const struct kube_replacement *replace,
	size_t n_replace, struct err *e);

/* The plan's members as this cluster has them; none: the plan names none. */
struct kube_members plan_members(
	struct arena *a, const struct kube_cluster *cluster, const struct plan *plan);
