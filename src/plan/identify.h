/* plan/identify.h - which node this is, put together from the plan, the disk and the control plane
 * on it; see node/identity.h for who wins
 *
 * Source:     design of the step `identify`.
 * Units:      none.
 * Ownership:  everything lives in the arena of the node's files.
 * Errors:     none: what nobody knows stays NULL.
 */
#pragma once

#include "kube/layout.h"
#include "node/dmi.h"
#include "node/identity.h"
#include "plan/schema.h"

/* What only the machine itself can tell; NULL where a disk is looked at from elsewhere. */
struct plan_machine {
	const struct dmi *dmi;
	const char *const *macs; /* "52:54:00:12:34:56", NULL-terminated */
};

struct plan_identity {
	struct identity identity;
	const struct plan_member *member; /* the plan's, by its match; NULL: none */
};

/* Conflicts become warnings of the node. */
void plan_identify(struct plan_identity *found, struct kube_node *node, const struct plan *plan,
	const struct plan_machine *machine);
