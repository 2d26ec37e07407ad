/* source/catalogue_judge.h - what speaks against a backup, as far as a listing can tell
 *
 *   pairs      the other half by the same time in the same folder; missing, foreign or dirty
 *              halves are refused
 *   times      dated in the future
 *   sizes      less than half the median of the five before it, of the same kind and folder;
 *              after three of the smaller size that is the size
 *   schedule   nothing came for three times the usual gap
 *
 * Source:     what people were bitten by: half-written uploads, backups that stopped.
 * Units:      bytes, seconds.
 * Ownership:  texts go into the arena.
 * Errors:     none: judgements are texts in the items.
 */
#pragma once

#include "source/catalogue.h"

void catalogue_judge_pairs(struct catalogue *c, struct arena *a, const struct catalogue_wish *wish);

/* These three want the items ranked. */
void catalogue_judge_times(struct catalogue *c, struct arena *a, const struct catalogue_wish *wish);
void catalogue_judge_sizes(struct catalogue *c, struct arena *a, const struct catalogue_wish *wish);
void catalogue_judge_schedule(
	struct catalogue *c, struct arena *a, const struct catalogue_wish *wish);
