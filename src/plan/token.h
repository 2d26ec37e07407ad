/* plan/token.h - what makes masters that restored the same bytes one cluster, and no others
 *
 * Ids of members and cluster follow from peer URLs and token alone, so masters that restore each
 * for itself form one cluster whatever they restored. Unless the plan names a token it is
 * therefore made of the content:
 *
 *	LAYOUT'S TOKEN "-" first 12 hex digits of the SHA-256 of
 *
 *	etcd-rescue token 1\n
 *	snapshot <SHA-256 of the database that was fetched, hex>\n
 *	drop-key <length>:<bytes>\n          each once, in byte order
 *	drop-prefix <length>:<bytes>\n       each once, in byte order
 *	bump-revision <number>\n             0: none
 *	mark-compacted\n                     this and the next three where they are done
 *	drop-leases\n
 *	clear-alarms\n
 *	fix-version-markers\n
 *	generation <number>\n                the plan's; not the first
 *
 * So masters that restore the same snapshot a second time, by a plan of a higher generation, are
 * told from those that still run with what they restored the first time.
 *
 * The membership is no part of it: it has the token in it, and enters the ids by itself.
 *
 * What is compared before anybody commits (plan/gate.h) is the SHA-256 of what came out:
 *
 *	etcd-rescue ready 1\n
 *	database <SHA-256 after the edits, hex>\n
 *	token <length>:<bytes>\n
 *	bump-revision <number>\n
 *	member <length>:<name> <length>:<url>,<length>:<url>..\n    by name, URLs in byte order
 *
 * with the four kinds of line again for each further cluster of the layout.
 *
 * Source:     design, "Several masters"; etcd/ident.h for the ids.
 * Units:      none.
 * Ownership:  the token lives in the arena.
 * Errors:     none.
 */
#pragma once

#include "base/arena.h"
#include "etcd/edit.h"

const char *plan_token(struct arena *a, const char *layout_token, const uint8_t snapshot_sha256[32],
	const struct etcd_edits *edits, uint64_t generation);

/* One cluster of this node, as it is about to be committed. */
struct plan_ready {
	const uint8_t *database_sha256; /* 32 bytes */
	const struct etcd_cluster *cluster;
	uint64_t bump;
};

/* In the order of the layout's clusters, which is the same on every node. */
void plan_ready_digest(char hex[65], const struct plan_ready *clusters, size_t n);
