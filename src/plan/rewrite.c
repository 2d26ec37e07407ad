#include "plan/rewrite.h"

#include <string.h>

#include "kube/rewrite.h"

static void want_replacements(struct kube_wanted *w, struct arena *a, const struct plan *plan)
{
	struct kube_replacement *list = arena_array(a, plan->replace.n + 1, sizeof *list);

	for (size_t i = 0; i < plan->replace.n; i++)
		list[i] =
			(struct kube_replacement){ plan->replace.v[i].from, plan->replace.v[i].to };
	w->replace = list;
	w->n_replace = plan->replace.n;
}

/* The plan's members, or the disk's with what was replaced. */
static struct kube_members want_members(struct arena *a, const struct kube_cluster *c,
	const struct plan *plan, const struct kube_wanted *w)
{
	struct kube_members members = { 0 };
	const char *text = kube_replaced(a, kube_print_members(a, &c->members), w);

	if (!plan->cluster.members.n) {
		kube_read_members(&members, a, str_from(text));
		return members;
	}
	for (size_t i = 0; i < plan->cluster.members.n; i++) {
		const struct plan_member *m = &plan->cluster.members.v[i];
		kube_read_members(&members, a, str_from(arena_print(a, "%s=%s", m->name, m->peer)));
	}
	return members;
}

int plan_rewrite(
	struct plan_rewrite *r, struct kube_files *files, const struct plan *plan, struct err *e)
{
	struct arena *a = files->arena;
	const bool forced = plan && plan->layout && strcmp(plan->layout, "auto");

	*r = (struct plan_rewrite){ 0 };
	if (kube_node(&r->node, files, forced ? plan->layout : NULL, e))
		return e->code;
	if (!plan)
		return 0;
	want_replacements(&r->wanted, a, plan);
	struct kube_wanted_cluster *clusters =
		arena_array(a, r->node.n_clusters + 1, sizeof *clusters);
	for (size_t i = 0; i < r->node.n_clusters; i++) {
		const struct kube_cluster *c = &r->node.clusters[i];
		clusters[i].name = c->name ? kube_replaced(a, c->name, &r->wanted) : NULL;
		clusters[i].token = plan->cluster.token;
		clusters[i].members = want_members(a, c, plan, &r->wanted);
	}
	r->wanted.clusters = clusters;
	return r->node.layout->rewrite(&r->node, &r->wanted, e);
}
