/* What this node does: `run` restores it, as one of many or alone, and nothing else. */
#include <string.h>

#include "plan/run.h"

int run_role(const struct run *r, struct err *e)
{
	switch (r->plan->role) {
	case PLAN_ROLE_JOIN:
		return err_set(e, ERR_UNSUPPORTED,
			"role: join: run restores, and this version does not make a machine join; "
			"let the recovery host serve first, then add this one to it (etcdctl "
			"member "
			"add, kubeadm join --control-plane)");
	case PLAN_ROLE_STAND_ASIDE:
		return err_set(e, ERR_UNSUPPORTED,
			"role: stand-aside: run restores, and this version does not hold a machine "
			"back; leave this one off until the recovery host serves");
	case PLAN_ROLE_PURGE_ONLY:
		return err_set(e, ERR_UNSUPPORTED,
			"role: purge-only: run restores, and this version does not clear a machine "
			"without an etcd of its own; nothing is to be done here before it starts");
	default:
		return 0;
	}
}

/* Where one restores and the others follow, the one is alone at first. */
int run_role_of_node(struct run *r, struct err *e)
{
	const char *host = r->plan->recovery_host;
	const struct plan_member *member = r->rewrite.who.member;
	const struct kube_node *node = &r->rewrite.node;
	const char *name = member ? member->name : node->n_clusters ? node->clusters[0].name : NULL;

	if (!host || r->plan->role != PLAN_ROLE_AUTO)
		return 0;
	if (!name || strcmp(name, host))
		return err_set(e, ERR_UNSUPPORTED,
			"the plan's recovery-host is %s and this is %s, which would stand aside or "
			"join: this version does neither; leave it off until %s serves, or say "
			"role: restore to restore it, too",
			host, name ? name : "of no known name", host);
	struct plan *alone = arena_alloc(r->arena, sizeof *alone);
	*alone = *r->plan;
	alone->role = PLAN_ROLE_SINGLE;
	r->plan = alone;
	event_info(r->listener, "identify",
		"this is the recovery host: it is restored alone, and the others follow");
	return 0;
}
