#include "plan/membership.h"

#include <string.h>

#include "kube/rewrite.h"
#include "net/url.h"

struct asked {
	struct arena *a;
	const struct kube_cluster *cluster;
	struct kube_wanted replace;
	const char *name; /* of this node's member, after the replacement; NULL: not known */
	struct kube_texts urls;
};

static bool parse(struct url *url, const char *text)
{
	struct err none = { 0 };

	return !url_parse(url, str_from(text), &none) && url->host.len;
}

static bool any(const struct kube_texts *x, const struct kube_texts *y,
	bool (*alike)(const char *, const char *))
{
	for (size_t i = 0; i < x->n; i++) {
		for (size_t k = 0; k < y->n; k++) {
			if (alike(x->v[i], y->v[k]))
				return true;
		}
	}
	return false;
}

static const struct kube_member *named(const struct kube_members *members, const char *name)
{
	for (size_t i = 0; name && i < members->n; i++) {
		if (!strcmp(members->v[i].name, name))
			return &members->v[i];
	}
	return NULL;
}

static const struct kube_member *at(const struct kube_members *members, const struct kube_texts *u)
{
	for (size_t i = 0; i < members->n; i++) {
		if (any(&members->v[i].urls, u, url_same))
			return &members->v[i];
	}
	return NULL;
}

/* The plan names the members of the main cluster; those of another are on the same hosts, at
 * the port that this node has there. */
static const char *peer_of(struct arena *a, const struct kube_cluster *c, const char *peer)
{
	struct url url, own;

	if (!c->peer_urls.n || !parse(&url, peer) || !parse(&own, c->peer_urls.v[0]) || !own.port)
		return peer;
	const bool v6 = memchr(url.host.p, ':', url.host.len);
	return arena_print(a, "%.*s://%s%.*s%s:%u", STR_ARG(own.scheme), v6 ? "[" : "",
		STR_ARG(url.host), v6 ? "]" : "", own.port);
}

static void add(struct kube_members *members, struct arena *a, const char *name, const char *urls)
{
	struct kube_member *more = arena_array(a, members->n + 1, sizeof *more);

	if (members->n == KUBE_TEXTS_MAX)
		return;
	if (members->n)
		memcpy(more, members->v, members->n * sizeof *more);
	more[members->n].name = name;
	kube_read_urls(&more[members->n++].urls, a, str_from(urls));
	members->v = more;
}

struct kube_members plan_members(
	struct arena *a, const struct kube_cluster *c, const struct plan *plan)
{
	const bool main = !strcmp(c->what, "etcd");
	struct kube_members members = { 0 };

	/* A name that comes again has one more URL. */
	for (size_t i = 0; i < plan->cluster.members.n; i++) {
		const struct plan_member *m = &plan->cluster.members.v[i];
		kube_read_members(&members, a,
			str_from(arena_print(
				a, "%s=%s", m->name, main ? m->peer : peer_of(a, c, m->peer))));
	}
	return members;
}

static struct kube_members disk_members(const struct asked *q)
{
	struct kube_members members = { 0 };

	kube_read_members(&members, q->a,
		str_from(kube_replaced(
			q->a, kube_print_members(q->a, &q->cluster->members), &q->replace)));
	return members;
}

/* Of the snapshot; one that never started has no name there, but the disk may know it. */
static int snapshot_members(struct kube_members *members, const char **left, const struct asked *q,
	const struct etcd_known_member *known, const struct kube_members *disk, struct err *e)
{
	struct arena *a = q->a;

	*members = (struct kube_members){ 0 };
	*left = "";
	for (const struct etcd_known_member *m = known; m; m = m->next) {
		const char *urls = kube_replaced(a, arena_copy(a, m->urls), &q->replace);
		const char *name = kube_replaced(a, arena_copy(a, m->name), &q->replace);
		struct kube_texts texts = { 0 };
		kube_read_urls(&texts, a, str_from(urls));
		const struct kube_member *there = *name ? named(disk, name) : at(disk, &texts);
		if (m->learner && !there) {
			*left = arena_print(
				a, "%s; its learner %s is left out", *left, *name ? name : urls);
			continue;
		}
		if (!*name && !there)
			return err_set(e, ERR_DECLINED,
				"the snapshot has a member at %s that never started and has no "
				"name; write all that are to be restored into the plan: "
				"cluster.members",
				urls);
		add(members, a, *name ? name : there->name, urls);
	}
	return 0;
}

static const char *list(struct arena *a, const struct kube_members *m)
{
	return m->n ? kube_print_members(a, m) : "nobody";
}

/* The lists last: a line may be cut. */
static int contradict(const struct asked *q, const struct kube_members *disk,
	const struct kube_members *snapshot, const char *how, struct err *e)
{
	return err_set(e, ERR_DECLINED,
		"%s: %s; write those that are to be restored into the plan (cluster.members: "
		"[{name: .., peer: ..}]), or replace:, if a node was replaced; the disk has %s, "
		"the snapshot %s",
		q->cluster->what, how, list(q->a, disk), list(q->a, snapshot));
}

/* What the disk says of others, and the snapshot does not: told, not judged. */
static const char *stale(
	struct arena *a, const struct kube_members *disk, const struct kube_members *snapshot)
{
	struct kube_members old = { 0 };

	for (size_t i = 0; i < disk->n; i++) {
		const struct kube_member *m = named(snapshot, disk->v[i].name);
		if (!m || !any(&m->urls, &disk->v[i].urls, url_may_be))
			for (size_t k = 0; k < disk->v[i].urls.n; k++)
				add(&old, a, disk->v[i].name, disk->v[i].urls.v[k]);
	}
	return old.n ? arena_print(a, "; the disk has %s, from before", list(a, &old)) : "";
}

static int own_agrees(const struct asked *q, const struct kube_members *disk,
	const struct kube_members *snapshot, struct err *e)
{
	const struct kube_member *own = named(snapshot, q->name), *there = named(disk, q->name);

	if (!own || (!q->urls.n && !there))
		return 0;
	if (any(&own->urls, &q->urls, url_may_be) ||
		(there && any(&own->urls, &there->urls, url_same)))
		return 0;
	return err_set(e, ERR_DECLINED,
		"%s: this node's member %s has %s on the disk and %s in the snapshot; one of them "
		"is another cluster's, or the node was replaced: then write both addresses into "
		"the plan (replace: [{from: .., to: ..}]) or cluster.members",
		q->cluster->what, q->name, q->urls.n ? q->urls.v[0] : there->urls.v[0],
		own->urls.v[0]);
}

static int compare(const char **why, const struct asked *q, const struct kube_members *disk,
	const struct kube_members *snapshot, struct err *e)
{
	if (own_agrees(q, disk, snapshot, e))
		return e->code;
	if (!disk->n || q->cluster->partial) {
		*why = arena_print(q->a, "the members of the snapshot%s%s",
			disk->n && disk->n < snapshot->n ? ", of which the disk has but some" : "",
			stale(q->a, disk, snapshot));
		return 0;
	}
	for (size_t i = 0; i < disk->n; i++) {
		const struct kube_member *m = named(snapshot, disk->v[i].name);
		const char *name = disk->v[i].name;
		if (!m)
			return contradict(q, disk, snapshot,
				arena_print(q->a, "member %s is on the disk alone", name), e);
		if (!any(&m->urls, &disk->v[i].urls, url_may_be))
			return contradict(q, disk, snapshot,
				arena_print(q->a, "member %s has two addresses", name), e);
	}
	*why = disk->n < snapshot->n ? "the members of the snapshot, of which the disk has but some"
				     : "the members of the snapshot, which the disk's are too";
	return 0;
}

static int only_disk(
	const char **why, const struct asked *q, const struct kube_members *disk, struct err *e)
{
	if (disk->n && !q->cluster->partial) {
		*why = "the members that the disk has";
		return 0;
	}
	return err_set(e, ERR_DECLINED,
		"%s: who its members are is not known: the snapshot does not say, and the disk "
		"may know but some; write all into the plan (cluster.members: [{name: .., "
		"peer: ..}]), or role: single; the disk has %s",
		q->cluster->what, list(q->a, disk));
}

/* Twice the same name or URL after something was replaced: no cluster starts with that. */
static int check(const struct asked *q, const struct kube_members *members, struct err *e)
{
	for (size_t i = 0; i < members->n; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct kube_member *x = &members->v[k], *y = &members->v[i];
			const bool name = !strcmp(x->name, y->name);
			if (name || any(&x->urls, &y->urls, url_same))
				return err_set(e, ERR_DECLINED,
					"%s: %s and %s would have one %s in %s; write the members "
					"into the plan (cluster.members)",
					q->cluster->what, x->name, y->name, name ? "name" : "URL",
					list(q->a, members));
		}
	}
	return 0;
}

static int find_own(const struct kube_member **own, const struct asked *q,
	const struct kube_members *members, struct err *e)
{
	const struct kube_member *there = at(members, &q->urls);

	*own = q->name ? named(members, q->name) : there;
	if (*own)
		return 0;
	return err_set(e, ERR_DECLINED,
		"%s: this node (%s%s%s) is not among the members%s%s; correct cluster.members (or "
		"replace:) in the plan; the members are %s",
		q->cluster->what, q->name ? q->name : "of no known name", q->urls.n ? ", " : "",
		q->urls.n ? q->urls.v[0] : "", there ? ", its URL is that of " : "",
		there ? there->name : "", list(q->a, members));
}

/* Alone: by the plan, the disk's own word, or the snapshot's. */
static int alone(struct kube_members *members, const struct asked *q, struct err *e)
{
	const struct kube_member *own;

	if (!members->n && q->name && q->urls.n) {
		for (size_t i = 0; i < q->urls.n; i++)
			kube_read_members(members, q->a,
				str_from(arena_print(q->a, "%s=%s", q->name, q->urls.v[i])));
		return 0;
	}
	if (find_own(&own, q, members, e))
		return e->code;
	struct kube_member *copy = arena_array(q->a, 1, sizeof *copy);
	*copy = *own;
	*members = (struct kube_members){ copy, 1 };
	return 0;
}

int plan_membership(struct kube_members *members, const char **why, struct arena *a,
	const struct kube_cluster *cluster, const struct plan *plan,
	const struct etcd_known_member *known, const struct kube_replacement *replace,
	size_t n_replace, struct err *e)
{
	struct asked q = { a, cluster, { NULL, replace, n_replace }, NULL, { 0 } };
	const struct kube_member *own;
	struct kube_members disk, snapshot;
	const char *left;

	if (cluster->name)
		q.name = kube_replaced(a, cluster->name, &q.replace);
	for (size_t i = 0; i < cluster->peer_urls.n; i++)
		kube_add_text(&q.urls, a, kube_replaced(a, cluster->peer_urls.v[i], &q.replace));
	*members = plan_members(a, cluster, plan);
	*why = "the plan's cluster.members";
	if (plan->role == PLAN_ROLE_SINGLE) {
		*why = "this node's own member alone, as the plan's role: single says";
		if (members->n || (q.name && q.urls.n))
			return alone(members, &q, e);
	}
	if (!members->n) {
		disk = disk_members(&q);
		if (snapshot_members(&snapshot, &left, &q, known, &disk, e))
			return e->code;
		if (plan->role == PLAN_ROLE_SINGLE) {
			*members = snapshot.n ? snapshot : disk;
			return alone(members, &q, e);
		}
		if (snapshot.n ? compare(why, &q, &disk, &snapshot, e)
			       : only_disk(why, &q, &disk, e))
			return e->code;
		*members = snapshot.n ? snapshot : disk;
		if (snapshot.n && *left)
			*why = arena_print(a, "%s%s", *why, left);
	}
	return check(&q, members, e) ? e->code : find_own(&own, &q, members, e);
}
