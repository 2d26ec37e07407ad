/* A node that joins: its old member goes away, its configuration says that it comes into a cluster
 * that is there, and its etcd waits until the first boot has added it to that. */
#include <string.h>

#include "kube/rewrite.h"
#include "net/url.h"
#include "plan/membership.h"
#include "plan/run.h"
#include "target/file.h"
#include "target/overlay.h"

static const char step[] = "rewrite";

const char *run_held_name(const struct run *r, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_print(r->arena, "held/%s", slash ? slash + 1 : path);
}

/* The plan's, or what the disk has of them: the first boot asks those who are there. */
static int find_members(struct run *r, struct run_cluster *c, struct err *e)
{
	struct arena *a = r->arena;
	struct kube_cluster k = *c->target->cluster;
	const struct kube_wanted *w = &r->rewrite.wanted;

	if (run_member_name(r, c, e))
		return e->code;
	k.name = c->name;
	if (r->plan->cluster.members.n)
		return plan_membership(&c->members, &c->members_from, a, &k, r->plan, NULL,
			w->replace, w->n_replace, e);
	c->members_from = "the members that the disk has";
	kube_read_members(
		&c->members, a, str_from(kube_replaced(a, kube_print_members(a, &k.members), w)));
	for (size_t i = 0; i < k.peer_urls.n; i++)
		kube_read_members(&c->members, a,
			str_from(arena_print(
				a, "%s=%s", c->name, kube_replaced(a, k.peer_urls.v[i], w))));
	return 0;
}

static bool is_loopback(struct str host)
{
	return str_is(host, "localhost") || str_is(host, "::1") || str_starts(host, STR("127."));
}

/* Where its neighbours serve clients: the port and scheme are as its own. */
static const char *seed_of(struct run *r, const struct run_cluster *c, const char *peer)
{
	const struct kube_cluster *k = c->target->cluster;
	struct err none = { 0 };
	struct url url, own;
	unsigned port = 2379;

	if (url_parse(&url, str_from(peer), &none))
		return NULL;
	const char *scheme = k->ca ? "https" : arena_copy(r->arena, url.scheme);
	for (size_t i = 0; i < k->client_urls.n; i++) {
		if (url_parse(&own, str_from(k->client_urls.v[i]), &none) || !own.port ||
			(is_loopback(own.host) && k->client_urls.n > 1))
			continue;
		scheme = arena_copy(r->arena, own.scheme);
		port = own.port;
		break;
	}
	const bool v6 = memchr(url.host.p, ':', url.host.len);
	return arena_print(r->arena, "%s://%s%.*s%s:%u", scheme, v6 ? "[" : "", STR_ARG(url.host),
		v6 ? "]" : "", port);
}

/* Of all masters the files are alike. */
static bool is_private(const struct kube_cluster *k)
{
	struct err none = { 0 };
	struct url url;

	for (size_t i = 0; i < k->client_urls.n; i++) {
		if (url_parse(&url, str_from(k->client_urls.v[i]), &none) || !is_loopback(url.host))
			return false;
	}
	return k->client_urls.n;
}

/* By a recovery-host that is misspelt everybody would join, and nobody be there to be joined. */
static int check_recovery_host(const struct run *r, const struct run_cluster *c, struct err *e)
{
	const char *host = r->plan->recovery_host;

	if (!host || r->plan->role != PLAN_ROLE_AUTO || c != r->clusters)
		return 0;
	for (size_t i = 0; i < c->members.n; i++) {
		if (!strcmp(c->members.v[i].name, host))
			return 0;
	}
	return err_set(e, ERR_DECLINED,
		"the plan's recovery-host is %s, and no such member is among %s (%s); correct it, "
		"or write all members into the plan: cluster: {members: [{name: .., peer: ..}]}",
		host, kube_print_members(r->arena, &c->members), c->members_from);
}

/* Nothing takes its place that would hide the one of a lower layer; nor would a directory that is
 * the overlay's own top. */
static int check_wal(const struct run_cluster *c, struct err *e)
{
	const struct kube_cluster *k = c->target->cluster;

	if (!k->wal_dir || !c->target->wal.place.n_lower)
		return 0;
	return err_set(e, ERR_DECLINED,
		"%s: its write-ahead log, %s, lies on an overlay, and once that is put aside what "
		"a lower layer has there would be back under a member that is new; let etcd keep "
		"it below %s (no --wal-dir), or mount something else than an overlay there",
		k->what, k->wal_dir, k->data_dir);
}

static void add_urls(struct run *r, struct run_cluster *c, const struct kube_member *m)
{
	const bool own = !strcmp(m->name, c->name);

	for (size_t u = 0; u < m->urls.n; u++) {
		const char *seed = own ? NULL : seed_of(r, c, m->urls.v[u]);
		if (own)
			kube_add_text(&c->own_urls, r->arena, m->urls.v[u]);
		else if (seed)
			kube_add_text(&c->seeds, r->arena, seed);
	}
}

static int decide(struct run *r, struct run_cluster *c, struct err *e)
{
	if (find_members(r, c, e) || check_recovery_host(r, c, e) || check_wal(c, e))
		return e->code;
	/* The one who is restored is asked first: the others may not even be switched on. */
	for (size_t i = 0; i < 2 * c->members.n; i++) {
		const struct kube_member *m = &c->members.v[i % c->members.n];
		const bool first =
			r->plan->recovery_host && !strcmp(m->name, r->plan->recovery_host);
		if (first == (i < c->members.n))
			add_urls(r, c, m);
	}
	c->listed = kube_print_members(r->arena, &c->members);
	if (!c->own_urls.n)
		return err_set(e, ERR_DECLINED,
			"%s: at which peer URL %s is to be stands nowhere; write it into the plan: "
			"cluster.members",
			c->target->cluster->what, c->name);
	if (!c->seeds.n)
		return err_set(e, ERR_DECLINED,
			"%s: nobody but this node is known that could let it in; write all members "
			"into the plan: cluster: {members: [{name: .., peer: ..}]}",
			c->target->cluster->what);
	return 0;
}

/* Before the disk is written to, for whoever wants to see it, and again when it may be. */
int run_join_decide(struct run *r, struct err *e)
{
	const size_t n = r->site.target.node.n_clusters;
	const bool again = r->clusters;
	struct kube_wanted_cluster *decided = arena_array(r->arena, n + 1, sizeof *decided);
	struct kube_files *files = arena_alloc(r->arena, sizeof *files);

	r->clusters = arena_array(r->arena, n + 1, sizeof *r->clusters);
	r->n_clusters = n;
	for (size_t i = 0; i < n; i++) {
		struct run_cluster *c = &r->clusters[i];
		c->target = &r->site.target.clusters[i];
		c->stage = c->wal_stage = NO_ROOT;
		c->dir = NO_DATADIR;
		if (decide(r, c, e))
			return e->code;
		decided[i] =
			(struct kube_wanted_cluster){ .members = c->members, .state = "existing" };
		if (!again)
			event_info(r->listener, step, "%s: join: %s at %s is let in by %s",
				c->target->cluster->what, c->name, c->own_urls.v[0], c->seeds.v[0]);
		if (!again && is_private(c->target->cluster))
			event_warning(r->listener, step,
				"%s: here it serves clients on this machine alone (%s); if the "
				"others do "
				"so, too, nobody can ask them from here: open %s to this node, or "
				"add it there by hand (etcdctl member add)",
				c->target->cluster->what, c->target->cluster->client_urls.v[0],
				c->seeds.v[0]);
	}
	*files = kube_files(r->arena, r->site.target.files.root);
	files->var = r->site.target.files.var;
	files->host = r->site.target.files.host;
	if (plan_rewrite_decided(&r->rewrite, files, r->plan, r->who, decided, e))
		return e->code;
	if (!again)
		event_warning(r->listener, step,
			"the first boot asks those to let this node in: they have to serve what "
			"was restored, not the cluster of before");
	return 0;
}

static const char *below(struct arena *a, const char *dir, const char *name)
{
	return arena_print(a, "%s%s%s", dir, *dir ? "/" : "", name);
}

/* On an overlay the one of a lower layer would be back in its place: an empty one hides that.  And
 * where there was none, a rollback takes away what has come to be in the empty one. */
static int put_empty(struct run *r, const struct commit_place *data,
	const struct commit_place *member, bool hides, struct err *e)
{
	CLEAN_ROOT struct root stage = NO_ROOT;
	const char *inside;

	if (commit_stage_directory(&stage, &inside, &r->commit, data, e))
		return e->code;
	const char *none = below(r->arena, inside, "none");
	if (target_make_directories(&stage, "none", 0700, e) ||
		(hides && target_make_opaque(site_root(&r->site, data->device), none, e)))
		return e->code;
	return commit_add_directory(&r->commit, member, none, e);
}

static int drop_member(struct run *r, struct run_cluster *c, struct err *e)
{
	const struct plan_target_cluster *t = c->target;

	if (site_directory(&c->data, &r->site, &t->data, e))
		return e->code;
	const struct commit_place member = { c->data.device,
		below(r->arena, c->data.path, "member") };
	const struct root *root = site_root(&r->site, member.device);
	const bool hides = t->data.place.n_lower, there = root && root_exists(root, member.path);
	if (hides || !there ? put_empty(r, &c->data, &member, hides, e)
			    : commit_add_gone(&r->commit, &member, e))
		return e->code;
	event_info(r->listener, step, "%s/member %s", t->cluster->data_dir,
		hides || there ? "goes aside" : "is not there, as on a new disk");
	if (!t->cluster->wal_dir)
		return 0;
	if (site_directory(&c->wal, &r->site, &t->wal, e))
		return e->code;
	return commit_add_gone(&r->commit, &c->wal, e);
}

/* The manifest waits; of a service the file without which it does not start. */
static int hold(struct run *r, struct run_cluster *c, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(4 * KUBE_FILE_MAX);
	const struct kube_cluster *k = c->target->cluster;
	struct commit_file file = { .fence = true, .changing = true };
	struct commit_place model;
	struct kube_file *f;

	if (!k->fence)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: what starts it here is not known, so it cannot be held back", k->what);
	if (run_is_unit(k->fence))
		return run_hold_service(r, k->fence, e);
	const bool there = kube_exists(r->rewrite.node.files, k->fence);
	const char *from = there ? k->fence : r->rewrite.node.marker;
	if (kube_file(&f, r->rewrite.node.files, from, e) ||
		(f->n_changes ? run_result(&text, f, e) : buf_add_str(&text, f->text, e)) ||
		site_file(&model, &r->site, from, e) ||
		site_file(&file.place, &r->site, k->fence, e))
		return e->code;
	const char *held = run_held_name(r, k->fence);
	file.mode = run_fresh_mode(r, k->fence);
	file.like = there || r->fresh ? NULL : model.path;
	file.content = buf_span(&text);
	file.held = below(r->arena, r->site.state, held);
	if (c->listed && memmem(text.p, text.len, c->listed, strlen(c->listed)))
		kube_add_text(&c->files, r->arena, below(r->arena, run_state_there(r), held));
	event_info(r->listener, step, "%s waits for the first boot, which joins", k->fence);
	return commit_add_file(&r->commit, &file, e);
}

int run_join_stage(struct run *r, struct err *e)
{
	if (run_join_decide(r, e) || run_pki(r, e) || run_resolve(r, e))
		return e->code;
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (drop_member(r, &r->clusters[i], e) || hold(r, &r->clusters[i], e))
			return err_wrap(e, "%s", r->clusters[i].target->cluster->what);
	}
	if (run_pki_files(r, e) || run_signer(r, e) || run_add_files(r, e) || run_finish(r, e) ||
		run_pods(r, e))
		return e->code;
	return r->fresh ? run_fresh_files(r, e) : 0;
}
