#include "plan/dead_keys.h"

#include <stdlib.h>
#include <string.h>

#include "etcd/live.h"
#include "kube/stored.h"

struct dead {
	struct arena *arena;
	const struct plan *plan;
	const struct etcd_known_member *members;
	const struct etcd_live_visitor *also;
	const char **keys;
	size_t n;
};

/* A member is called as its node, or with a word before that. */
static struct str node_of(struct str member)
{
	static const char *const before[] = { "etcd-member-", "etcd-" };

	for (int i = 0; i < 2; i++) {
		const struct str word = str_from(before[i]);
		if (str_starts(member, word) && member.len > word.len)
			return (struct str){ member.p + word.len, member.len - word.len };
	}
	return member;
}

static bool is_planned(const struct plan *plan, struct str node)
{
	for (size_t i = 0; i < plan->cluster.members.n; i++) {
		const struct str name = str_from(plan->cluster.members.v[i].name);
		if (str_equal(name, node) || str_equal(node_of(name), node))
			return true;
	}
	return false;
}

/* A name that comes into the cluster by another replacement is alive. */
static bool is_replaced(const struct plan *plan, struct str node)
{
	bool from = false;

	for (size_t i = 0; i < plan->replace.n; i++) {
		if (str_is(node, plan->replace.v[i].to))
			return false;
		from = from || str_is(node, plan->replace.v[i].from);
	}
	return from;
}

/* Without a list of members in the plan those of the snapshot go on. */
static bool is_left_out(const struct dead *d, struct str node)
{
	if (!d->plan->cluster.members.n || is_planned(d->plan, node))
		return false;
	for (const struct etcd_known_member *m = d->members; m; m = m->next) {
		if (str_equal(m->name, node) || str_equal(node_of(m->name), node))
			return true;
	}
	return false;
}

static bool is_dead_lease(const struct dead *d, struct str name)
{
	static const char *const leaders[] = { "kube-controller-manager", "kube-scheduler",
		"cloud-controller-manager" };
	struct str space, lease;

	if (!str_cut(&space, &lease, name, '/'))
		return false;
	if (str_is(space, "kube-node-lease"))
		return is_replaced(d->plan, lease) || is_left_out(d, lease);
	if (!str_is(space, "kube-system"))
		return false;
	for (size_t i = 0; i < sizeof leaders / sizeof *leaders; i++) {
		if (str_is(lease, leaders[i]))
			return true;
	}
	return str_starts(lease, STR("apiserver-")) || str_starts(lease, STR("kube-apiserver-"));
}

static int see(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	struct dead *d = ctx;
	struct str name;
	if (d->also && d->also->key(d->also->ctx, kv, e))
		return e->code;
	const struct str resource = kube_stored_resource(&name, kv->key);
	/* The list of edits is of texts; no API server writes a key with a zero byte. */
	if (!name.len || memchr(kv->key.p, 0, kv->key.len) ||
		!(str_is(resource, "masterleases") ||
			(str_is(resource, "leases") && is_dead_lease(d, name))))
		return 0;
	if (d->n == PLAN_DEAD_KEYS_MAX)
		return err_set(e, ERR_SPACE,
			"the snapshot holds more than %d leases of masters; this is no "
			"Kubernetes cluster's; say drop-keys: no",
			PLAN_DEAD_KEYS_MAX);
	d->keys[d->n++] =
		arena_copy(d->arena, (struct str){ (const char *)kv->key.p, kv->key.len });
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int plan_dead_keys(struct etcd_edits *edits, struct arena *a, const struct plan *plan,
	const struct etcd_known_member *members, const struct bolt_db *db,
	const struct etcd_live_visitor *also, struct err *e)
{
	struct dead dead = { .arena = a, .plan = plan, .members = members, .also = also };
	struct etcd_live_visitor visitor = { see, &dead, false };

	edits->drop_keys = NULL;
	edits->n_drop_keys = 0;
	if (plan->drop_keys == PLAN_DROP_KEYS_NO) {
		visitor = also ? *also : visitor;
		return also ? etcd_live_walk(db, 0, &visitor, e) : 0;
	}
	dead.keys = arena_array(a, PLAN_DEAD_KEYS_MAX, sizeof *dead.keys);
	if (etcd_live_walk(db, 0, &visitor, e))
		return e->code;
	qsort(dead.keys, dead.n, sizeof *dead.keys, by_bytes);
	edits->drop_keys = dead.keys;
	edits->n_drop_keys = dead.n;
	return 0;
}
