/* plan/search.h - the plan of this machine: plan/delivery.h with everything it asks for
 *
 * Source:     as plan/delivery.h.
 * Units:      none.
 * Ownership:  everything lives in the arena; borrows `line` and `blocks`.
 * Errors:     those of delivery_find; `d` tells how far the search came in any case.
 */
#pragma once

#include "plan/delivery.h"

struct search_machine {
	const struct root *root;
	const struct node_cmdline *line;
	const struct block *blocks; /* probed; fixed disks among them are left alone */
	size_t n_blocks;
	bool offline; /* there is no network yet: a plan behind an address cannot be read */
};

int search_plan(
	struct delivery *d, struct arena *a, const struct search_machine *machine, struct err *e);

/* The named file instead, under the same rules; `path` from the root of the machine. */
int search_file(struct delivery *d, struct arena *a, const struct search_machine *machine,
	const char *path, struct err *e);

/* What ${mac}, ${uuid}, ${serial} and ${hostname} are here. */
void search_facts(struct template_facts *facts, struct arena *a, const struct root *root,
	const struct node_cmdline *line);
