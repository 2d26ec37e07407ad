#include "plan/target.h"

#include <fcntl.h>
#include <string.h>

#include "kube/unit.h"
#include "os/names.h"

static const struct root *look(void *ctx, const char *device)
{
	const struct target_volumes *volumes = ctx;
	const struct target_volume *v = target_probe_find(volumes, device);

	return v && !v->why ? &v->root : NULL;
}

/* An ordinary installation mounts what its fstab says.  The live images of an HPE Cray have no line
 * for the root, and its disks are known by their labels, locked or not. */
static bool is_live_cray(const struct target_mounts *mounts, const struct target_volumes *volumes)
{
	if (volumes && (target_probe_find(volumes, "LABEL=ETCDK8S") ||
			       target_probe_find(volumes, "LABEL=ETCDLVM")))
		return true;
	for (size_t i = 0; i < mounts->n; i++) {
		const struct target_mount *m = &mounts->v[i];
		if (!strcmp(m->where, "/") && strcmp(m->type, "overlay"))
			return false;
	}
	return true;
}

/* An HPE Cray master mounts these from its initramfs, whether its fstab says so or not. */
static int add_csm(struct target_mounts *mounts, struct arena *a, struct err *e)
{
	static const struct target_mount own[] = {
		{ "/run/lib-etcd", "LABEL=ETCDK8S", "xfs", "", NULL, "how CSM masters boot" },
		{ "/var/lib/etcd", "etcd_overlay", "overlay",
			"lowerdir=/var/lib/etcd,upperdir=/run/lib-etcd/overlayfs", NULL,
			"how CSM masters boot" },
	};

	for (size_t i = 0; i < 2; i++) {
		if (target_mounts_add(mounts, a, &own[i], e))
			return e->code;
	}
	return 0;
}

/* "0000000000000000-0000000000000000.wal" */
static bool has_segment(const struct root *root, const char *dir, struct arena *a)
{
	struct names names;
	struct err none;

	if (names_read(&names, a, root, *dir ? dir : "/", &none))
		return false;
	for (size_t i = 0; i < names.n; i++) {
		if (str_ends(str_from(names.v[i]), STR(".wal")))
			return true;
	}
	return false;
}

static int find(struct plan_target_directory *d, const struct plan_target *t,
	const struct plan_target_from *from, const char *path, bool wal, struct err *e)
{
	struct arena *a = t->tree.arena;
	const struct root *root = from->root;

	if (target_place(&d->place, &t->tree, path, e))
		return e->code;
	if (d->place.spot.device) {
		d->volume = from->volumes ? target_probe_find(from->volumes, d->place.spot.device)
					  : NULL;
		root = d->volume && !d->volume->why ? &d->volume->root : NULL;
	}
	d->reached = root;
	if (!root)
		return 0;
	const char *inside = d->place.spot.inside;
	d->has_member = wal ? has_segment(root, inside, a)
			    : root_exists(root, arena_print(a, "%s/member", inside));
	return 0;
}

/* Where its unit says, else where kubelets have it. */
static const char *kubelet_directory(struct plan_target *t)
{
	struct err none = { 0 };
	struct kube_unit unit;
	struct kube_args args;
	struct kube_slot slot;

	if (!kube_unit(&unit, &t->files, "kubelet.service", &none) &&
		!kube_unit_args(&args, &unit, &none) && kube_flag(&slot, &args, "root-dir") &&
		slot.value.len && slot.value.p[0] == '/')
		return arena_copy(t->tree.arena, slot.value);
	return "/var/lib/kubelet";
}

int plan_target(
	struct plan_target *t, struct arena *a, const struct plan_target_from *from, struct err *e)
{
	struct err none = { 0 };

	*t = (struct plan_target){ .running = NO_ROOT };
	if (target_tree(&t->tree, a, from->root, from->boot, e) ||
		target_tree_open(&t->running, &t->tree, e))
		return e->code;
	t->files = kube_files(a, from->config ? from->config : &t->running);
	t->files.host = from->config ? &t->running : NULL;
	if (t->tree.ostree.deployment) {
		t->var = arena_alloc(a, sizeof *t->var);
		*t->var = NO_ROOT;
		/* A stateroot without it has nothing to say. */
		if (!root_open_at(&t->var->fd, from->root, t->tree.ostree.var, O_PATH | O_DIRECTORY,
			    &none))
			t->files.var = from->config ? NULL : t->var;
	}
	if (from->bare)
		t->node = (struct kube_node){ .files = &t->files };
	else if (kube_node(&t->node, &t->files, from->layout, e))
		return e->code;
	if (t->node.layout == &kube_layout_csm && is_live_cray(&t->tree.mounts, from->volumes) &&
		add_csm(&t->tree.mounts, a, e))
		return e->code;
	if (from->volumes) {
		t->tree.look = look;
		t->tree.ctx = (void *)(uintptr_t)from->volumes;
	}
	t->clusters = arena_array(a, t->node.n_clusters + 1, sizeof *t->clusters);
	for (size_t i = 0; i < t->node.n_clusters; i++) {
		const struct kube_cluster *c = &t->node.clusters[i];
		struct plan_target_cluster *out = &t->clusters[i];
		out->cluster = c;
		if (find(&out->data, t, from, c->data_dir, false, e) ||
			(c->wal_dir && find(&out->wal, t, from, c->wal_dir, true, e)))
			return err_wrap(e, "%s", c->what);
	}
	if (from->aside && find(&t->aside, t, from, from->aside, false, e))
		return err_wrap(e, "old: move:%s", from->aside);
	if (from->bare || t->node.layout == &kube_layout_icp)
		return find(&t->kubelet, t, from, kubelet_directory(t), false, e);
	return from->config ? find(&t->kubelet, t, from, "/var/lib/kubelet", false, e) : 0;
}

void plan_target_close(struct plan_target *t)
{
	root_close(&t->running);
	if (t->var)
		root_close(t->var);
}

const struct root *plan_target_boot(
	const struct target_volumes *volumes, const struct target_volume *v)
{
	const struct root *boot = NULL;

	for (size_t i = 0; i < volumes->n; i++) {
		const struct target_volume *b = &volumes->v[i];
		if (b->why || strcmp(b->content->label, "boot"))
			continue;
		if (b->disk == v->disk)
			return &b->root;
		boot = boot ? boot : &b->root;
	}
	return boot;
}

/* Why this volume is none; NULL: it holds a control plane, `*marker` says which. */
static const char *look_at(const char **marker, struct arena *a,
	const struct target_volumes *volumes, const struct target_volume *v, const char *forced)
{
	CLEAN_ROOT struct root running = NO_ROOT;
	const struct kube_layout *layout = NULL;
	struct target_tree tree;
	struct err e = { 0 };
	const char *name;

	if (v->why)
		return v->why;
	if (target_tree(&tree, a, &v->root, plan_target_boot(volumes, v), &e) ||
		target_tree_open(&running, &tree, &e))
		return arena_copy(a, str_from(e.text));
	/* A layout that is told still has to be there. */
	if (kube_layout_find(&layout, &name, &running, a, forced, &e)) {
		if (e.code == ERR_NOTFOUND)
			return "no control plane";
		if (e.code != ERR_DECLINED)
			return arena_copy(a, str_from(e.text));
		layout = NULL;
		name = e.text; /* two layouts: a control plane all the same */
	} else if (forced && !strcmp(name, "(told)")) {
		return "no control plane";
	}
	*marker = arena_print(a, "%s%s%s", layout ? layout->name : "", layout ? ", " : "", name);
	return NULL;
}

int plan_target_choose(struct plan_target *t, const char ***why, struct arena *a,
	const struct target_volumes *volumes, const char *layout, struct err *e)
{
	const struct target_volume *chosen = NULL;
	const char *all = "", *locked = "";
	size_t n = 0, looked = 0;

	*t = (struct plan_target){ .running = NO_ROOT };
	*why = arena_array(a, volumes->n + 1, sizeof **why);
	for (size_t i = 0; i < volumes->n; i++) {
		const struct target_volume *v = &volumes->v[i];
		const char *marker = NULL;
		(*why)[i] = look_at(&marker, a, volumes, v, layout);
		looked += !v->why;
		if (v->locked)
			locked = arena_print(a, "%s; %s: %s", locked, v->name, v->why);
		if ((*why)[i])
			continue;
		all = arena_print(a, "%s%s%s (%s%s%s)", all, *all ? ", " : "", v->name, marker,
			*v->content->uuid ? ", UUID=" : "", v->content->uuid);
		chosen = v;
		n++;
	}
	if (n > 1)
		return err_set(e, ERR_DECLINED,
			"more than one disk holds a control plane: %s; mount the one that is meant "
			"and say --root DIR",
			all);
	if (!n)
		return err_set(e, ERR_NOTFOUND,
			"no control plane on the %zu file systems that could be looked into%s",
			looked, locked);
	const struct plan_target_from from = { &chosen->root, plan_target_boot(volumes, chosen),
		volumes, layout, NULL, NULL, false };
	if (plan_target(t, a, &from, e))
		return err_wrap(e, "%s", chosen->name);
	t->volume = chosen;
	return 0;
}
