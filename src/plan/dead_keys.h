/* plan/dead_keys.h - keys of a snapshot that speak of masters that are gone
 *
 *	masterleases/..                       who serves the API: every server writes its own anew
 *	leases/kube-system/kube-controller-manager, kube-scheduler, cloud-controller-manager
 *	                                      who leads: nobody does yet
 *	leases/kube-system/apiserver-.., kube-apiserver-.. which API servers there are
 *	leases/kube-node-lease/NAME           of nodes that the plan replaces, and of members of
 *	                                      the snapshot that the plan's cluster does not have
 *
 * below /registry/, /kubernetes.io/ or /openshift.io/.  Endpoints of kube-system's services
 * and Node objects stay: the API's own controllers see to these.
 *
 * Only from the plan and the snapshot, never from the node, so that every master drops the
 * same; keys that are not there are not named.
 *
 * Source:     kubernetes pkg/controlplane/reconcilers (masterleases), leader election and
 *             API server identity of 1.20 - 1.34; design of the plan's drop-keys.
 * Units:      none.
 * Ownership:  the keys live in the arena.
 * Errors:     those of etcd/live.h; ERR_SPACE when there are more than any cluster has.
 */
#pragma once

#include "etcd/edit.h"
#include "etcd/live.h"
#include "etcd/status.h"
#include "plan/schema.h"

enum { PLAN_DEAD_KEYS_MAX = 10000 };

/* Sets drop_keys of `edits`, in the order of their bytes; none with `drop-keys: no`.
 * `members` are the snapshot's own, NULL: it holds none.  `also` sees every key on the same walk,
 * which on a large database is what takes time; NULL: nobody. */
int plan_dead_keys(struct etcd_edits *edits, struct arena *a, const struct plan *plan,
	const struct etcd_known_member *members, const struct bolt_db *db,
	const struct etcd_live_visitor *also, struct err *e);
