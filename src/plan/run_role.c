/* What this node does: the plan's role, or by the plan's recovery-host the one of each node. */
#include <string.h>

#include "kube/rewrite.h"
#include "plan/run.h"

static const char step[] = "identify";

bool run_restores(const struct run *r)
{
	return r->role == PLAN_ROLE_AUTO || r->role == PLAN_ROLE_RESTORE ||
	       r->role == PLAN_ROLE_SINGLE;
}

const char *run_role_word(const struct run *r)
{
	static const char *const words[] = { [PLAN_ROLE_AUTO] = "restore",
		[PLAN_ROLE_RESTORE] = "restore",
		[PLAN_ROLE_SINGLE] = "single",
		[PLAN_ROLE_JOIN] = "join",
		[PLAN_ROLE_STAND_ASIDE] = "stand-aside",
		[PLAN_ROLE_PURGE_ONLY] = "purge-only" };

	return words[r->role];
}

/* Can this layout do it? */
static int check(const struct run *r, struct err *e)
{
	const struct kube_layout *layout = r->rewrite.node.layout;
	const bool operated = layout == &kube_layout_openshift46;

	if (r->role == PLAN_ROLE_JOIN && operated)
		return err_set(e, ERR_UNSUPPORTED,
			"role: join: from OpenShift 4.4 on the cluster's own etcd operator lets "
			"members in; write role: stand-aside");
	if (r->role == PLAN_ROLE_STAND_ASIDE && !operated)
		return err_set(e, ERR_UNSUPPORTED,
			"role: stand-aside: with %s nobody would bring this master back later; "
			"write role: join",
			layout->name);
	if (r->role == PLAN_ROLE_JOIN && !r->plan->finish.install)
		return err_set(e, ERR_DECLINED,
			"role: join: the first boot lets this node in, and the plan says "
			"finish: {install: no}");
	return 0;
}

/* By one that is misspelt every master would stand aside, and none be restored.  Of a node that
 * joins run_join.c sees to it. */
static int check_recovery_host(const struct run *r, const char *own, struct err *e)
{
	const struct kube_node *node = &r->rewrite.node;
	const char *host = r->plan->recovery_host;
	struct kube_members known = { 0 };
	bool others = false;

	/* A plan whose own members have none of that name is refused as it is read. */
	if (r->plan->cluster.members.n)
		return 0;
	if (node->n_clusters)
		kube_read_members(&known, r->arena,
			str_from(kube_replaced(r->arena,
				kube_print_members(r->arena, &node->clusters[0].members),
				&r->rewrite.wanted)));
	for (size_t i = 0; i < known.n; i++) {
		if (!strcmp(known.v[i].name, host))
			return 0;
		others |= strcmp(known.v[i].name, own) != 0;
	}
	if (others)
		return err_set(e, ERR_DECLINED,
			"the plan's recovery-host is %s, and no such member is among %s (the "
			"members that the disk has); correct it, or write all members into the "
			"plan: cluster: {members: [{name: .., peer: ..}]}",
			host, kube_print_members(r->arena, &known));
	event_warning(r->listener, step,
		"nothing here says which other members there are: if none is called %s, every "
		"master stands aside and NONE is restored; look whether recovery-host is spelt as "
		"that master's member is",
		host);
	return 0;
}

/* Where one restores and the others follow, the one is alone at first. */
static int by_recovery_host(struct run *r, struct err *e)
{
	const char *host = r->plan->recovery_host;
	const struct plan_member *member = r->rewrite.who.member;
	const struct kube_node *node = &r->rewrite.node;
	const char *name = member ? member->name : node->n_clusters ? node->clusters[0].name : NULL;

	if (!name)
		return err_set(e, ERR_DECLINED,
			"the plan's recovery-host is %s, and nothing says which member this node "
			"is; name it in the plan: cluster: {members: [{name: .., peer: .., match: "
			"{mac: ..}}]}, or say its role:",
			host);
	if (!strcmp(name, host)) {
		struct plan *alone = arena_alloc(r->arena, sizeof *alone);
		*alone = *r->plan;
		alone->role = PLAN_ROLE_SINGLE;
		r->plan = alone;
		r->role = PLAN_ROLE_SINGLE;
		event_info(r->listener, step,
			"this is the recovery host: it is restored alone, and the others follow");
		return 0;
	}
	r->role = node->layout == &kube_layout_openshift46 ? PLAN_ROLE_STAND_ASIDE : PLAN_ROLE_JOIN;
	if (r->role == PLAN_ROLE_STAND_ASIDE && check_recovery_host(r, name, e))
		return e->code;
	event_info(r->listener, step, "the plan's recovery-host is %s and this is %s: role %s",
		host, name, run_role_word(r));
	return 0;
}

int run_role_of_node(struct run *r, struct err *e)
{
	r->role = r->plan->role;
	if (r->role == PLAN_ROLE_AUTO && r->plan->recovery_host && by_recovery_host(r, e))
		return e->code;
	return check(r, e);
}

int run_bare(struct run *r, struct err *e)
{
	r->role = PLAN_ROLE_PURGE_ONLY;
	if (!e->code && !r->site.settled)
		return err_set(e, ERR_MISMATCH,
			"role: purge-only is for a node without an etcd, and this disk has a "
			"control plane (%s); write another role, or none",
			r->site.target.node.layout->name);
	*e = (struct err){ 0 };
	if (site_blank(&r->site, e) || site_bare(&r->site, e))
		return e->code;
	event_done(r->listener, step, "a node without an etcd of its own");
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
	struct commit_place place;

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
