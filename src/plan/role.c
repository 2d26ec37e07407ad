#include "plan/role.h"

#include <string.h>

#include "kube/rewrite.h"

const char *plan_role_word(enum plan_role role)
{
	static const char *const words[] = { [PLAN_ROLE_AUTO] = "restore",
		[PLAN_ROLE_RESTORE] = "restore",
		[PLAN_ROLE_SINGLE] = "single",
		[PLAN_ROLE_JOIN] = "join",
		[PLAN_ROLE_STAND_ASIDE] = "stand-aside",
		[PLAN_ROLE_PURGE_ONLY] = "purge-only" };

	return words[role];
}

/* Can this layout do it? */
static int check(enum plan_role role, const struct plan_rewrite *r, struct err *e)
{
	const struct kube_layout *layout = r->node.layout;
	const bool operated = layout == &kube_layout_openshift46;

	if (role == PLAN_ROLE_PURGE_ONLY)
		return err_set(e, ERR_MISMATCH,
			"role: purge-only is for a node without an etcd, and this disk has a "
			"control plane (%s); write another role, or none",
			layout->name);
	if (role == PLAN_ROLE_JOIN && operated)
		return err_set(e, ERR_UNSUPPORTED,
			"role: join: from OpenShift 4.4 on the cluster's own etcd operator lets "
			"members in; write role: stand-aside");
	if (role == PLAN_ROLE_STAND_ASIDE && !operated)
		return err_set(e, ERR_UNSUPPORTED,
			"role: stand-aside: with %s nobody would bring this master back later; "
			"write role: join",
			layout->name);
	if (role == PLAN_ROLE_JOIN && !r->plan->finish.install)
		return err_set(e, ERR_DECLINED,
			"role: join: the first boot lets this node in, and the plan says "
			"finish: {install: no}");
	return 0;
}

/* By one that is misspelt every master would stand aside, and none be restored.  Of a node that
 * joins run_join.c sees to it. */
static int check_recovery_host(
	struct plan_role_found *found, const struct plan_rewrite *r, const char *own, struct err *e)
{
	const struct kube_node *node = &r->node;
	struct arena *a = node->files->arena;
	const char *host = r->plan->recovery_host;
	struct kube_members known = { 0 };
	bool others = false;

	/* A plan whose own members have none of that name is refused as it is read. */
	if (r->plan->cluster.members.n)
		return 0;
	if (node->n_clusters)
		kube_read_members(&known, a,
			str_from(kube_replaced(
				a, kube_print_members(a, &node->clusters[0].members), &r->wanted)));
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
			host, kube_print_members(a, &known));
	found->warning = arena_print(a,
		"nothing here says which other members there are: if none is called %s, every "
		"master stands aside and NONE is restored; look whether recovery-host is spelt as "
		"that master's member is",
		host);
	return 0;
}

/* Where one restores and the others follow, the one is alone at first. */
static int by_recovery_host(
	struct plan_role_found *found, const struct plan_rewrite *r, struct err *e)
{
	const char *host = r->plan->recovery_host;
	const struct plan_member *member = r->who.member;
	const struct kube_node *node = &r->node;
	const char *name = member ? member->name : node->n_clusters ? node->clusters[0].name : NULL;

	if (!name)
		return err_set(e, ERR_DECLINED,
			"the plan's recovery-host is %s, and nothing says which member this node "
			"is; name it in the plan: cluster: {members: [{name: .., peer: .., match: "
			"{mac: ..}}]}, or say its role:",
			host);
	if (!strcmp(name, host)) {
		found->role = PLAN_ROLE_SINGLE;
		found->why = "this is the recovery host: it is restored alone, and the others "
			     "follow";
		return 0;
	}
	found->role =
		node->layout == &kube_layout_openshift46 ? PLAN_ROLE_STAND_ASIDE : PLAN_ROLE_JOIN;
	found->why = arena_print(
		node->files->arena, "the plan's recovery-host is %s and this is %s", host, name);
	return found->role == PLAN_ROLE_STAND_ASIDE ? check_recovery_host(found, r, name, e) : 0;
}

int plan_role_find(struct plan_role_found *found, const struct plan_rewrite *r, struct err *e)
{
	const enum plan_role said = r->plan->role;

	*found = (struct plan_role_found){ .role = said };
	if (said != PLAN_ROLE_AUTO)
		found->why = "the plan says so";
	else if (!r->plan->recovery_host)
		found->why = "a control plane is here, and the plan says nothing else";
	else if (by_recovery_host(found, r, e))
		return e->code;
	return check(found->role, r, e);
}

/* A member that the plan means this machine to be is none that could be purged. */
static int check_no_member(struct kube_files *files, const struct kube_layout *layout,
	const struct plan *plan, const struct plan_machine *machine, struct err *e)
{
	struct kube_node node = { .layout = layout, .marker = "", .files = files };
	struct plan_identity who;

	kube_add_cluster(&node, "etcd")->partial = true;
	if (plan_identify(&who, &node, plan, machine, e))
		return e->code;
	const struct identity_claim *name = identity_of(&who.identity, IDENTITY_NAME);
	const char *own = who.member ? who.member->name : NULL;
	for (size_t i = 0; i < plan->cluster.members.n && name && !own; i++) {
		if (!strcmp(plan->cluster.members.v[i].name, name->value))
			own = name->value;
	}
	return own ? err_set(e, ERR_DECLINED,
			     "the plan says that this machine is the member %s, and its disk has "
			     "no "
			     "etcd: bring the manifest back, or take it from cluster.members",
			     own)
		   : 0;
}

int plan_role_bare(struct plan_role_found *found, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, struct err *e)
{
	const char *forced = plan->layout && strcmp(plan->layout, "auto") ? plan->layout : NULL;
	const struct kube_layout *layout;
	const char *marker;

	*found = (struct plan_role_found){ .role = PLAN_ROLE_PURGE_ONLY };
	if (plan->role == PLAN_ROLE_PURGE_ONLY) {
		found->why = "the plan says so";
		return 0;
	}
	if (plan->role != PLAN_ROLE_AUTO || plan->pki)
		return err_set(e, ERR_NOTFOUND, "the plan says that this is a master");
	if (kube_layout_bare(&layout, &marker, files->root, forced, e) ||
		check_no_member(files, layout, plan, machine, e))
		return e->code;
	found->why = arena_print(files->arena,
		"a node of the layout %s without an etcd: %s is there, and no manifest, data or "
		"certificate of an etcd",
		layout->name, marker);
	return 0;
}
