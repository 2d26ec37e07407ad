/* A disk on which a control plane has never been, or is no more: which one is meant? */
#include <string.h>

#include "plan/site.h"

static bool has_any(const struct root *root, const char *const *paths)
{
	for (; *paths; paths++) {
		if (root_exists(root, *paths))
			return true;
	}
	return false;
}

/* Why no fresh master is made of it; NULL: it is an installed system that has a kubelet. */
static const char *look_at(
	struct plan_target *t, struct arena *a, const struct root *root, const struct root *boot)
{
	static const char *const systems[] = { "etc/os-release", "usr/lib/os-release", NULL };
	static const char *const kubelets[] = { "usr/bin/kubelet", "usr/local/bin/kubelet",
		"opt/bin/kubelet", "etc/systemd/system/kubelet.service",
		"usr/lib/systemd/system/kubelet.service", "lib/systemd/system/kubelet.service",
		NULL };
	static const char *const parts[] = { "etc/kubernetes/manifests/kube-apiserver.yaml",
		"etc/kubernetes/pki/ca.key", "etc/kubernetes/pki/etcd/ca.key", NULL };
	const struct kube_layout *found;
	const char *marker;
	struct err e = { 0 };

	*t = (struct plan_target){ .running = NO_ROOT };
	if (target_tree(&t->tree, a, root, boot, &e) || target_tree_open(&t->running, &t->tree, &e))
		return arena_copy(a, str_from(e.text));
	if (!has_any(&t->running, systems))
		return "no system is installed on it";
	if (kube_layout_find(&found, &marker, &t->running, a, NULL, &e) != ERR_NOTFOUND)
		return arena_print(a, "there is a control plane, or a part of one%s%s",
			*e.text ? ": " : "", e.text);
	if (has_any(&t->running, parts))
		return "there is a part of a control plane in etc/kubernetes, but no manifest of "
		       "its etcd; bring that back, or move etc/kubernetes away";
	return has_any(&t->running, kubelets)
		       ? NULL
		       : "there is a system, but no kubelet (usr/bin, usr/local/bin, opt/bin)";
}

static int look_at_tree(struct site *s, struct err *e)
{
	const char *why = look_at(&s->target, s->arena, &s->tree, NULL);

	return why ? err_set(e, ERR_NOTFOUND, "no fresh master can be made of this tree: %s", why)
		   : 0;
}

int site_blank(struct site *s, struct err *e)
{
	const struct target_volume *chosen = NULL;
	const char *all = "", *others = "";
	size_t n = 0;

	plan_target_close(&s->target);
	if (s->dir)
		return look_at_tree(s, e);
	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct target_volume *v = &s->volumes.v[i];
		struct plan_target t;
		/* The control plane may be in what nobody could see yet. */
		if (v->locked)
			return err_set(e, ERR_NOTFOUND,
				"no control plane was found, and a fresh master is not made while "
				"%s may hold one: %s",
				v->name, v->why);
		if (v->why)
			continue;
		const char *why = look_at(&t, s->arena, &v->root, plan_target_boot(&s->volumes, v));
		plan_target_close(&t);
		if (why) {
			others = arena_print(s->arena, "%s; %s: %s", others, v->name, why);
			continue;
		}
		all = arena_print(s->arena, "%s%s%s%s%s", all, *all ? ", " : "", v->name,
			*v->content->uuid ? " UUID=" : "", v->content->uuid);
		chosen = v;
		n++;
	}
	if (n > 1)
		return err_set(e, ERR_DECLINED,
			"more than one disk has a system with a kubelet and no control plane: %s; "
			"mount the one that is meant and say --root DIR",
			all);
	if (!n)
		return err_set(e, ERR_NOTFOUND,
			"no disk holds a control plane, nor a system with a kubelet that could "
			"become a fresh master%s",
			others);
	const char *why =
		look_at(&s->target, s->arena, &chosen->root, plan_target_boot(&s->volumes, chosen));
	s->target.volume = chosen;
	return why ? err_set(e, ERR_NOTFOUND, "%s: %s", chosen->name, why) : 0;
}
