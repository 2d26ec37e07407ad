/* plan/finish_redeploy.h - OpenShift's operators lay their static pods down anew, one after the
 * other
 *
 * operator.openshift.io/v1 `cluster` of etcds, kubeapiservers, kubecontrollermanagers and
 * kubeschedulers, in this order: spec.forceRedeploymentReason gets a text that all masters of one
 * restore have alike, and no other restore has, and the next one's turn is when all nodes are at
 * the revision that comes of it.  The text tells the latest revision of before, so that whoever
 * goes on, on whichever master, knows what to wait for, and asks nothing a second time.  Each has
 * turn_s (the plan's redeploy-deadline), or what is left until the deadline where that is longer;
 * an API server that is away meanwhile, being redeployed itself, is waited for.
 *
 * Source:     openshift/api operator/v1 (StaticPodOperatorStatus); the documented restore of 4.4
 *             and later.
 * Units:      revisions.
 * Ownership:  texts live in the arena.
 * Errors:     those of plan/finish_api.h; ERR_MISMATCH when its time is over.  One that the cluster
 *             does not have is told, and no error.
 */
#pragma once

#include "plan/finish_clean.h"

int finish_redeploy(struct finish_clean *c, struct err *e);

/* What the reason of this restore begins with: its snapshot and its cluster, nothing of one node.
 */
const char *finish_redeploy_mark(struct arena *a, const struct finish_record *record);

enum finish_redeployed { FINISH_REDEPLOY_ASK, FINISH_REDEPLOY_WAIT, FINISH_REDEPLOY_DONE };

/* `mark`: see above.  `*text` is the reason to set, or how far it
 * is. */
enum finish_redeployed finish_redeploy_judge(
	const char **text, struct arena *a, const struct doc_node *object, const char *mark);
