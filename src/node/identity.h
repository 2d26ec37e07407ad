/* node/identity.h - who this machine is: what each source says, which one won, and who disagrees
 *
 *   rank  source
 *   1     the plan, by a match of MAC, UUID, serial, address or host name
 *   2     the kernel line
 *   3     the control plane's own files
 *   4     the disk's host name and network configuration
 *   5     the cloud (EC2's metadata)
 *   6     the members of the snapshot, by this node's addresses
 *
 * Of name and peer URL the first that says anything wins.  Others who say something else are
 * conflicts, to be shown; names agree when one is the other's first label or has "etcd-member-"
 * or "etcd-" before it, URLs when they are two spellings of one, or have a name where the other
 * has an address.  A machine has many addresses: these are only told.
 *
 * Source:     design of the step `identify`.
 * Units:      none.
 * Ownership:  claims live in the arena, and borrow their texts.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"

enum identity_what { IDENTITY_NAME, IDENTITY_PEER, IDENTITY_ADDRESS, IDENTITY_WHATS };
enum identity_rank {
	IDENTITY_PLAN = 1,
	IDENTITY_KERNEL_LINE,
	IDENTITY_FILES,
	IDENTITY_DISK,
	IDENTITY_CLOUD,
	IDENTITY_SNAPSHOT,
};

struct identity_claim {
	enum identity_what what;
	enum identity_rank rank;
	const char *value, *source;
	bool won, disagrees; /* neither: it agrees with the winner, or is one more address */
};

struct identity {
	struct arena *arena;
	struct identity_claim *v;
	size_t n;
};

/* `value` NULL says nothing; what a source said already is not said twice. */
void identity_claim(struct identity *identity, enum identity_what what, enum identity_rank rank,
	const char *value, const char *source);

/* Decide; may be called again after more claims. */
void identity_judge(struct identity *identity);

/* The winner; NULL: nobody said anything. */
const struct identity_claim *identity_of(const struct identity *identity, enum identity_what what);

/* "name", "peer", "address" */
const char *identity_word(enum identity_what what);
/* "the plan", "the kernel line", ... */
const char *identity_rank_word(enum identity_rank rank);
/* Why this claim won or did not: "the plan comes first". */
const char *identity_why(const struct identity *identity, const struct identity_claim *claim);
