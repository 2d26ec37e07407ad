#include <fcntl.h>

#include "plan/site_part.h"

/* Where the journal is: on the file system of the manifests, in /var where that is the same. */
static int find_state(struct site *s, struct err *e)
{
	struct arena *a = s->arena;
	struct target_place var;

	if (target_place(&var, &s->target.tree, "/var/lib", e))
		return err_wrap(e, "/var/lib");
	const bool other = var.spot.device || (s->dir && site_is_elsewhere(&s->tree, "var/lib"));
	if (!other) {
		s->state = arena_print(
			a, "%s%setcd-rescue", var.spot.inside, *var.spot.inside ? "/" : "");
		return 0;
	}
	const char *base = s->target.tree.base;
	s->state = arena_print(a, "%s%setc/etcd-rescue", base, *base ? "/" : "");
	return 0;
}

static int add_root(struct site *s, const char *device, const struct root *root, struct err *e)
{
	for (size_t i = 0; i < s->n_roots; i++) {
		if (s->roots[i].root == root)
			return 0;
	}
	if (s->n_roots == SITE_ROOTS_MAX)
		return err_set(e, ERR_SPACE, "etcd's directories are on more than %d file systems",
			SITE_ROOTS_MAX - 1);
	s->roots[s->n_roots++] = (struct commit_root){ device, root };
	return 0;
}

static int add_directory(struct site *s, const struct plan_target_directory *d, struct err *e)
{
	if (!d->place.spot.device || !d->volume || d->volume == s->target.volume)
		return 0;
	return d->volume->why ? 0
			      : add_root(s, site_device(s->arena, d->volume), &d->volume->root, e);
}

/* The file systems that take part, the manifests' first. */
static int find_roots(struct site *s, struct err *e)
{
	const struct plan_target *t = &s->target;

	s->n_roots = 0;
	if (add_root(s, "", t->volume ? &t->volume->root : &s->tree, e))
		return e->code;
	for (size_t i = 0; i < t->node.n_clusters; i++) {
		if (add_directory(s, &t->clusters[i].data, e) ||
			(t->node.clusters[i].wal_dir && add_directory(s, &t->clusters[i].wal, e)))
			return e->code;
	}
	if ((t->kubelet.place.path && add_directory(s, &t->kubelet, e)) ||
		(s->aside && add_directory(s, &t->aside, e)))
		return e->code;
	return find_state(s, e);
}

/* Is it as it should be that no control plane is recognised? */
static bool is_settled(const struct journal *j)
{
	if (j->phase != JOURNAL_COMMITTED && j->phase != JOURNAL_ROLLED_BACK)
		return false;
	if (!j->layout)
		return true;
	for (size_t i = 0; i < j->n_items && j->phase == JOURNAL_COMMITTED; i++) {
		const struct journal_item *item = &j->items[i];
		if (item->kind == JOURNAL_FENCE && (item->held || !item->after))
			return true;
	}
	return false;
}

static bool is_cut(const struct journal *j)
{
	return j->phase == JOURNAL_COMMITTING || j->phase == JOURNAL_ROLLING_BACK;
}

int site_find_journal(struct site *s, const struct root *root, const struct target_volume *v,
	bool settled, struct err *e)
{
	const struct root *boot = v ? plan_target_boot(&s->volumes, v) : NULL;
	CLEAN_ROOT struct root state = NO_ROOT;
	struct journal j = { 0 };
	struct err none = { 0 };

	s->n_roots = 0;
	s->target = (struct plan_target){ .volume = v, .running = NO_ROOT };
	if (target_tree(&s->target.tree, s->arena, root, boot, &none) || find_state(s, &none) ||
		root_open_at(&state.fd, root, s->state, O_RDONLY | O_DIRECTORY, &none))
		return 0;
	if (journal_read(&j, s->arena, &state, JOURNAL_NAME, &none)) {
		if (none.code != ERR_NOTFOUND)
			s->unread = arena_print(
				s->arena, "%s%s%s", v ? v->name : "", v ? ": " : "", none.text);
		return 0;
	}
	if (settled ? !is_settled(&j) : !is_cut(&j))
		return 0;
	add_root(s, "", root, e);
	*(settled ? &s->settled : &s->interrupted) = true;
	for (size_t n = 0; n < 2 * j.n_items; n++) {
		const struct journal_item *item = &j.items[n / 2];
		const char *device = n % 2 ? item->elsewhere : item->device;
		if (!device)
			continue;
		const struct target_volume *other =
			*device ? target_probe_find(&s->volumes, device) : v;
		if (*device && !s->dir && (!other || other->why))
			return err_set(e, ERR_NOTFOUND,
				"%s takes part in a restore %s; attach or unlock it", device,
				is_cut(&j) ? "that is not finished" : "of this disk");
		if (*device && other && add_root(s, device, &other->root, e))
			return e->code;
	}
	return 0;
}

/* A disk without a layout that is to have none; `e` says that there is no control plane. */
static int find_settled(struct site *s, struct err *e)
{
	const struct err why = *e;

	if (why.code != ERR_NOTFOUND)
		return e->code;
	*e = (struct err){ 0 };
	plan_target_close(&s->target);
	if (s->dir && site_find_journal(s, &s->tree, NULL, true, e))
		return e->code;
	for (size_t i = 0; i < s->volumes.n && !s->settled; i++) {
		const struct target_volume *v = &s->volumes.v[i];
		if (!v->why && site_find_journal(s, &v->root, v, true, e))
			return e->code;
	}
	if (!s->settled)
		*e = why;
	return e->code;
}

static int look_at_tree(struct site *s, struct err *e)
{
	const struct plan_target_from from = {
		.root = &s->tree, .layout = s->layout, .aside = s->aside
	};

	if ((s->tree.fd < 0 && root_open(&s->tree, s->dir, e)) ||
		site_find_journal(s, &s->tree, NULL, false, e))
		return e->code;
	if (s->interrupted)
		return 0;
	return plan_target(&s->target, s->arena, &from, e) ? find_settled(s, e) : find_roots(s, e);
}

int site_read_again(struct site *s, struct err *e)
{
	const struct target_volume *v = s->target.volume;
	const struct plan_target_from from = { v ? &v->root : &s->tree,
		v ? plan_target_boot(&s->volumes, v) : NULL, v ? &s->volumes : NULL, s->layout,
		s->config, s->aside, s->bare };

	plan_target_close(&s->target);
	if (plan_target(&s->target, s->arena, &from, e))
		return e->code;
	s->target.volume = v;
	return find_roots(s, e);
}

static int look_at_disks(struct site *s, struct err *e)
{
	const char **why;

	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct target_volume *v = &s->volumes.v[i];
		if (v->why)
			continue;
		if (site_find_journal(s, &v->root, v, false, e))
			return e->code;
		if (s->interrupted)
			return 0;
	}
	if (plan_target_choose(&s->target, &why, s->arena, &s->volumes, s->layout, e))
		return find_settled(s, e);
	return s->aside ? site_read_again(s, e) : find_roots(s, e);
}

/* No control plane, and nothing says any more whether a restore has its manifest put away. */
static int explain(const struct site *s, struct err *e)
{
	const struct err why = *e;

	if (why.code != ERR_NOTFOUND || s->interrupted || !s->unread)
		return e->code;
	return err_set(e, ERR_MISMATCH, "%s; %s", s->unread, why.text);
}

int site_look(struct site *s, struct err *e)
{
	s->unread = NULL;
	s->interrupted = s->settled = false;
	if (s->dir)
		return look_at_tree(s, e) ? explain(s, e) : 0;
	s->storage.probe_ms = SITE_PROBE_MS;
	s->storage.listener = s->listener;
	if (target_assemble(&s->assembly, s->arena, s->machine, &s->storage, e))
		return e->code;
	target_probe(&s->volumes, s->arena, s->machine, s->assembly.blocks, s->assembly.n_blocks);
	target_assemble_explain(&s->volumes, &s->assembly);
	if (s->replay)
		site_replay_journals(s);
	return look_at_disks(s, e) ? explain(s, e) : 0;
}

int site_fresh(struct site *s, const struct root *config, struct err *e)
{
	s->config = config;
	return site_read_again(s, e);
}

int site_bare(struct site *s, struct err *e)
{
	s->bare = true;
	s->settled = false;
	return site_read_again(s, e);
}

void site_close(struct site *s)
{
	plan_target_close(&s->target);
	target_probe_close(&s->volumes);
	target_disassemble(&s->assembly);
	root_close(&s->tree);
	s->n_roots = 0;
}
