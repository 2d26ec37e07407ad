/* A write-ahead log of its own on an overlay: what a lower layer has there is hidden by the mark of
 * a directory (target/overlay.h), but for the one that is the top of the upper layer, whose mark
 * the kernel does not ask for. */
#include <string.h>

#include "os/names.h"
#include "plan/run.h"

static bool is_top(const struct target_tree *tree, const struct target_place *place)
{
	for (size_t i = 0; i < tree->mounts.n; i++) {
		const struct target_mount *m = &tree->mounts.v[i];
		if (!strcmp(m->type, "overlay") && !strcmp(m->where, place->path))
			return true;
	}
	return false;
}

/* What cannot be looked into may hold a log. */
static bool shows(const char **name, struct run *r, const struct target_spot *lower)
{
	const struct target_tree *tree = &r->site.target.tree;
	const struct root *root = tree->root;
	struct err why = { 0 };
	struct names names;

	if (lower->device)
		root = tree->look ? tree->look(tree->ctx, lower->device) : NULL;
	*name = "what cannot be looked into";
	if (!root)
		return true;
	if (names_read(&names, r->arena, root, *lower->inside ? lower->inside : ".", &why))
		return why.code != ERR_NOTFOUND;
	*name = names.n ? names.v[0] : NULL;
	return names.n;
}

int run_overlay(struct run *r, struct err *e)
{
	const struct plan_target *t = &r->site.target;

	for (size_t i = 0; i < t->node.n_clusters; i++) {
		const struct target_place *wal = &t->clusters[i].wal.place;
		const char *name;
		if (!t->node.clusters[i].wal_dir || !wal->n_lower || !is_top(&t->tree, wal))
			continue;
		for (size_t k = 0; k < wal->n_lower; k++) {
			if (!shows(&name, r, &wal->lower[k]))
				continue;
			return err_set(e, ERR_DECLINED,
				"%s: its write-ahead log, %s, is the top of an overlay, and what a "
				"lower layer has there (%s) would be seen among the new log; move "
				"that away from %s, or let etcd keep its log in a directory below",
				t->clusters[i].cluster->what, t->node.clusters[i].wal_dir, name,
				wal->lower[k].inside);
		}
	}
	return 0;
}
