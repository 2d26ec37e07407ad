/* What this node does: the plan's role, or by the plan's recovery-host the one of each node. */
#include <string.h>

#include "plan/run.h"

static const char step[] = "identify";

bool run_restores(const struct run *r)
{
	return r->role == PLAN_ROLE_AUTO || r->role == PLAN_ROLE_RESTORE ||
	       r->role == PLAN_ROLE_SINGLE;
}

const char *run_role_word(const struct run *r)
{
	return plan_role_word(r->role);
}

int run_role_of_node(struct run *r, struct err *e)
{
	struct plan_role_found found;

	if (plan_role_find(&found, &r->rewrite, e))
		return e->code;
	r->role = found.role;
	if (r->plan->role != PLAN_ROLE_AUTO || !r->plan->recovery_host)
		return 0;
	if (found.warning)
		event_warning(r->listener, step, "%s", found.warning);
	event_info(r->listener, step, "role %s: %s", run_role_word(r), found.why);
	if (r->role == PLAN_ROLE_SINGLE) {
		struct plan *alone = arena_alloc(r->arena, sizeof *alone);
		*alone = *r->plan;
		alone->role = PLAN_ROLE_SINGLE;
		r->plan = alone;
	}
	return 0;
}

int run_bare(struct run *r, struct err *e)
{
	const bool told = r->plan->role == PLAN_ROLE_PURGE_ONLY;
	const struct err why = *e;
	struct plan_role_found found;

	*e = (struct err){ 0 };
	if (site_blank(&r->site, e)) {
		if (!told)
			*e = why;
		return e->code;
	}
	struct kube_files files = kube_files(r->arena, &r->site.target.running);
	if (plan_role_bare(&found, &files, r->plan, r->who, e)) {
		/* What is no such node for sure stays what it was: nothing is here, or settled. */
		if (e->code == ERR_NOTFOUND)
			*e = why;
		return e->code;
	}
	r->role = PLAN_ROLE_PURGE_ONLY;
	if (site_bare(&r->site, e))
		return e->code;
	event_done(r->listener, step, arena_print(r->arena, "role purge-only: %s", found.why));
	if (r->site.target.volume)
		event_info(r->listener, "target", "%s (%s)", r->site.target.volume->name,
			r->site.target.volume->content->uuid);
	return run_role_decide(r, e);
}

static int find_pods(struct commit_place *pods, const struct run *r, struct err *e)
{
	if (site_directory(pods, &r->site, &r->site.target.kubelet, e))
		return e->code;
	pods->path = arena_print(r->arena, "%s%spods", pods->path, *pods->path ? "/" : "");
	return 0;
}

/* What the pods of before had mounted is not mounted now, so that one rename takes it all away;
 * the kubelet makes it anew. */
int run_pods(struct run *r, struct err *e)
{
	const struct kube_layout *layout = r->rewrite.node.layout;
	struct commit_place pods;

	if (!r->site.bare && layout != &kube_layout_icp)
		return 0;
	if (find_pods(&pods, r, e)) {
		if (r->site.bare)
			return e->code;
		event_warning(r->listener, "rewrite",
			"the kubelet's directories of pods stay as they are: %s", e->text);
		*e = (struct err){ 0 };
		return 0;
	}
	const struct root *root = site_root(&r->site, pods.device);
	if (!root || !root_exists(root, pods.path)) {
		event_info(r->listener, "rewrite", "%s/pods: there is none",
			r->site.target.kubelet.place.path);
		return 0;
	}
	event_info(r->listener, "rewrite", "%s/pods goes aside", r->site.target.kubelet.place.path);
	return commit_add_gone(&r->commit, &pods, e);
}

int run_role_decide(struct run *r, struct err *e)
{
	switch (r->role) {
	case PLAN_ROLE_JOIN:
		return run_join_decide(r, e);
	case PLAN_ROLE_STAND_ASIDE:
		event_info(r->listener, "rewrite",
			"stand-aside: the static pods of etcd and kube-apiserver go away, and "
			"etcd's member is put aside; the recovery host's operators bring new ones");
		return 0;
	default:
		event_info(r->listener, "rewrite",
			"purge-only: %s/pods is put aside, and nothing else",
			r->site.target.kubelet.place.path);
		return 0;
	}
}

/* The old member keeps the name that rollback and forget know: etcd-backup beside it, which the
 * vendor's script uses, is overwritten by the next one. */
static int stand_aside(struct run *r, struct err *e)
{
	static const char *const pods[] = { "etc/kubernetes/manifests/etcd-pod.yaml",
		"etc/kubernetes/manifests/kube-apiserver-pod.yaml" };
	const struct target_place *data = &r->site.target.clusters[0].data.place;
	struct commit_place place;

	/* What lies in a lower layer would be there again. */
	if (data->n_lower)
		return err_set(e, ERR_UNSUPPORTED,
			"%s lies on an overlay, where this role cannot put a member aside",
			data->path);
	if (site_directory(&place, &r->site, &r->site.target.clusters[0].data, e))
		return e->code;
	place.path = arena_print(r->arena, "%s%smember", place.path, *place.path ? "/" : "");
	if (commit_add_gone(&r->commit, &place, e))
		return e->code;
	for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
		struct commit_file file = { .remove = true, .changing = true, .fence = !i };
		if (site_file(&file.place, &r->site, pods[i], e) ||
			commit_add_file(&r->commit, &file, e))
			return e->code;
		event_info(r->listener, "rewrite", "%s goes away", pods[i]);
	}
	return 0;
}

int run_role_stage(struct run *r, struct err *e)
{
	event_step(r->listener, "rewrite", run_role_word(r));
	if (r->role == PLAN_ROLE_JOIN)
		return run_join_stage(r, e);
	if (run_resolve(r, e))
		return e->code;
	return r->role == PLAN_ROLE_STAND_ASIDE ? stand_aside(r, e) : run_pods(r, e);
}
