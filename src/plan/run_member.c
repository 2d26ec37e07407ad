/* The databases of a restore: from the source into staged member directories. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "etcd/received.h"
#include "etcd/restore.h"
#include "kube/rewrite.h"
#include "os/file.h"
#include "plan/dead_keys.h"
#include "plan/fetch.h"
#include "plan/membership.h"
#include "plan/run.h"
#include "plan/token.h"

static const char step[] = "fetch", step_member[] = "member";
static const uint64_t kubernetes_bump = 1000000000;

/* Where the new WAL directory is made: beside the old, or in it when that is a mount's top. */
static struct commit_place beside(struct arena *a, const struct site *site, struct commit_place wal)
{
	const struct root *root = site_root(site, wal.device);
	const char *slash = strrchr(wal.path, '/');
	const struct str up = { wal.path, slash ? (size_t)(slash - wal.path) : 0 };
	const struct commit_place parent = { wal.device, up.len ? arena_copy(a, up) : "." };
	CLOSE_FD int inner = -1;
	CLOSE_FD int outer = -1;
	struct stat x, y;
	struct err none = { 0 };

	if (!*wal.path)
		return wal;
	if (root_open_at(&inner, root, wal.path, O_PATH | O_DIRECTORY, &none) ||
		root_open_at(&outer, root, parent.path, O_PATH | O_DIRECTORY, &none) ||
		fstat(inner, &x) || fstat(outer, &y))
		return parent;
	return x.st_dev == y.st_dev ? parent : wal;
}

static int open_stages(struct run *r, struct run_cluster *c, struct err *e)
{
	const struct plan_target_cluster *t = c->target;

	if (site_directory(&c->data, &r->site, &t->data, e) || run_room(r, c, e) ||
		commit_stage_directory(
			&c->stage, &c->inside, &r->commit, c->moved ? &c->aside : &c->data, e))
		return err_wrap(e, "%s", t->cluster->what);
	if (!t->cluster->wal_dir)
		return 0;
	if (site_directory(&c->wal, &r->site, &t->wal, e))
		return err_wrap(e, "%s", t->cluster->what);
	const struct commit_place place = beside(r->arena, &r->site, c->wal);
	return commit_stage_directory(&c->wal_stage, &c->wal_inside, &r->commit, &place, e)
		       ? err_wrap(e, "%s", t->cluster->what)
		       : 0;
}

static int begin(struct run *r, struct run_cluster *c, struct err *e)
{
	const struct kube_cluster *k = c->target->cluster;
	const struct etcd_datadir_config config = {
		.parent = c->stage.fd,
		.data_dir = RUN_NEW_DATA,
		.wal_dir = k->wal_dir ? arena_print(r->arena, "/proc/self/fd/%d/%s",
						c->wal_stage.fd, RUN_NEW_WAL)
				      : NULL,
		.owned = k->uid || k->gid,
		.uid = k->uid,
		.gid = k->gid,
	};

	return etcd_datadir_begin(&c->dir, &config, e);
}

/* What this node's member is called once everything is replaced. */
int run_member_name(struct run *r, struct run_cluster *c, struct err *e)
{
	const struct plan_member *told = r->rewrite.who.member;
	const struct kube_cluster *k = c->target->cluster;
	const char *name = k->name;
	const struct identity_claim *claim = identity_of(&r->rewrite.who.identity, IDENTITY_NAME);

	if (!name && claim)
		name = claim->value; /* nothing on the disk: a machine or the snapshot knows */
	c->name = told   ? told->name
		  : name ? kube_replaced(r->arena, name, &r->rewrite.wanted)
			 : NULL;
	return c->name ? 0
		       : err_set(e, ERR_DECLINED,
				 "nothing says which member of %s this node is; name it in the "
				 "plan: "
				 "cluster: {members: [{name: .., peer: .., match: {mac: ..}}]}",
				 k->what);
}

/* "etcd-server", and of the events "etcd-server-events". */
static const char *base_token(struct arena *a, const struct run *r, const struct kube_cluster *k)
{
	const char *base =
		r->plan->cluster.token ? r->plan->cluster.token : r->rewrite.node.layout->token;

	return arena_print(a, "%s%s", base, k->what + strlen("etcd"));
}

static int decide_edits(struct run *r, struct run_cluster *c, const struct etcd_status *s,
	const struct bolt_db *db, struct err *e)
{
	bool kubernetes;

	if (etcd_restore_is_kubernetes(&kubernetes, db, e))
		return e->code;
	const uint64_t told = r->plan->bump_revision;
	const uint64_t bump = told != PLAN_BUMP_AUTO ? told : kubernetes ? kubernetes_bump : 0;
	c->edits = (struct etcd_edits){
		.bump = bump,
		.mark_compacted = bump > 0,
		.fix_markers = true,
		.clear_alarms = true,
	};
	const struct etcd_live_visitor stored = plan_stored_visitor(&c->stored, r->arena);
	return plan_dead_keys(&c->edits, r->arena, r->plan, s->members, db, &stored, e);
}

static int decide_cluster(
	struct run *r, struct run_cluster *c, const struct etcd_status *s, struct err *e)
{
	struct arena *a = r->arena;
	struct kube_cluster k = *c->target->cluster;
	const struct kube_wanted *w = &r->rewrite.wanted;

	if (run_member_name(r, c, e))
		return e->code;
	k.name = c->name;
	if (plan_membership(&c->members, &c->members_from, a, &k, r->plan, s->members, w->replace,
		    w->n_replace, e))
		return e->code;
	event_info(r->listener, step_member, "%s: members %s", k.what, c->members_from);
	c->token = r->plan->cluster.token ? base_token(a, r, &k)
					  : plan_token(a, base_token(a, r, &k), c->snapshot.sha256,
						    &c->edits, r->plan->generation);
	const struct etcd_restore_config ident = {
		.name = str_from(c->name),
		.initial_cluster = str_from(kube_print_members(a, &c->members)),
		.token = str_from(c->token),
	};
	if (etcd_ident_cluster(&c->cluster, &c->own, a, &ident, e))
		return e->code;
	c->edits.cluster = &c->cluster;
	return etcd_edits_digest(c->edits_digest, &c->edits, e);
}

/* A refusal that somebody has foreseen becomes a warning.  The next older snapshot would be no
 * better. */
static bool overruled(struct run *r, bool foreseen, struct err *e)
{
	if (r->force || foreseen) {
		event_warning(r->listener, step_member, "%s", e->text);
		*e = (struct err){ 0 };
		return true;
	}
	r->outcome = RUN_REFUSED;
	e->code = ERR_DECLINED;
	return false;
}

/* Is it this cluster's, and has the disk the keys to read it? */
static int check_stored(struct run *r, struct run_cluster *c, struct err *e)
{
	struct kube_node *node = &r->rewrite.node;
	const size_t warned = node->warnings.n;

	if (plan_stored_same_cluster(&c->stored, node, e) &&
		!overruled(r, r->plan->other_cluster == PLAN_OTHER_CLUSTER_PROCEED, e))
		return e->code;
	const int bad = plan_stored_judge(&c->stored, node, e);
	for (size_t i = warned; i < node->warnings.n; i++)
		event_warning(r->listener, step_member, "%s", node->warnings.v[i]);
	return bad && !overruled(r, false, e) ? e->code : 0;
}

/* What was written is known by its sums; the edits lie behind `same`, and in the meta pages. */
static int note_sums(struct run *r, struct run_cluster *c, uint64_t same, struct err *e)
{
	struct digest_known *known = &r->known[c - r->clusters];
	struct stat st;

	if (fstat(c->dir.db, &st))
		return err_sys(e, "the staged database");
	if (etcd_copy_sum_again(&c->sums, c->dir.db, same, (uint64_t)st.st_size, e))
		return e->code;
	*known = (struct digest_known){ st.st_dev, st.st_ino, (uint64_t)st.st_size, &c->sums };
	r->commit.known = r->known;
	r->commit.n_known = r->n_clusters;
	return 0;
}

/* A database that is whole and proved: what is it to become?  Then it is that. */
static int make_member(
	struct run *r, struct run_cluster *c, const struct etcd_received *received, struct err *e)
{
	struct etcd_restore_result result = { .cluster = &c->cluster };
	struct bolt_db db = received->db;
	struct etcd_status status;

	/* The copy has left the page cache, or soon will. */
	db.ahead = db.behind = true;
	if (etcd_status_brief(&status, r->arena, &db, e) || decide_edits(r, c, &status, &db, e) ||
		(c == r->clusters && check_stored(r, c, e)))
		return e->code;
	plan_identify_members(&r->rewrite.who, &r->rewrite.node, r->plan, status.members);
	if (decide_cluster(r, c, &status, e))
		return e->code;
	const struct etcd_restore how = { .edits = c->edits };
	result.own = c->own;
	if (etcd_restore_edit(&result, c->dir.db, &received->db, &how, r->listener, e) ||
		note_sums(r, c, received->db.meta.pgid * received->db.meta.page_size, e) ||
		etcd_datadir_prepare(&c->dir, &c->cluster, c->own, e) ||
		etcd_datadir_publish(&c->dir, e))
		return e->code;
	c->edited = result.edited;
	event_done(r->listener, step_member,
		arena_print(r->arena, "%s: member %s of cluster %s, revision %" PRId64,
			c->target->cluster->what, etcd_ident_text(c->own->id).text,
			etcd_ident_text(c->cluster.id).text, c->edited.revision));
	return 0;
}

/* `last`: nothing else comes from there, so it is let go of with all that it holds in memory before
 * the database is looked through. */
static int take_database(struct run *r, struct run_cluster *c, const struct stream *from,
	struct feed *last, struct err *e)
{
	uint64_t entries = 0;
	CLEAN_SCAN struct bolt_scan scan = etcd_received_scan(&entries);
	struct etcd_copied copied = { .scan = &scan, .sums = &c->sums };
	struct feed_hush hush;
	const struct listener quiet = feed_hush(&hush, r->listener);
	struct etcd_received received;
	struct run_room room;
	struct stream watched;

	if (begin(r, c, e) || run_room_watch(&watched, &room, r, c, from, e) ||
		etcd_copy(&copied, c->dir.db, &watched, &quiet, step, e) ||
		etcd_received_check(&received, c->dir.db, &copied, false, r->listener, step, e))
		return e->code;
	if (last)
		feed_close(last);
	c->snapshot = (struct run_snapshot){
		.shown = r->choose.item->object->url,
		.reason = r->choose.reason,
		.size = copied.size,
		.entries = received.entries,
		.revision = received.revision,
		.verified = received.verified,
	};
	memcpy(c->snapshot.sha256, copied.whole, sizeof copied.whole);
	event_done(r->listener, step,
		arena_print(r->arena, "%s: %" PRIu64 " bytes, revision %" PRId64 ", whole and %s",
			c->target->cluster->what, copied.size, received.revision,
			received.verified ? "as its trailer says" : "without a trailer"));
	if (make_member(r, c, &received, e))
		return e->code;
	c->has_snapshot = true;
	return 0;
}

static int on_events(void *ctx, const struct unwrap_entry *entry, struct err *e)
{
	struct run *r = ctx;

	return r->n_clusters > 1 ? take_database(r, &r->clusters[1], &entry->stream, NULL, e) : 0;
}

static int go_on(void *ctx, struct err *e)
{
	const struct run *r = ctx;

	return r->stopped ? r->stopped(r->ctx, e) : 0;
}

/* One candidate, with the database of the events where the node has one. */
static int take(struct run *r, struct err *e)
{
	const struct catalogue_item *item = r->choose.item;
	const struct feed_settings extra = {
		.step = step, .stopped = go_on, .events = on_events, .ctx = r
	};
	CLEAN_FEED struct feed feed = { 0 };
	CLEAN_FEED struct feed other = { 0 };

	if (fetch_feed(&feed, &r->choose, &extra, e))
		return e->code;
	struct stream stream = feed_stream(&feed);
	if (take_database(r, &r->clusters[0], &stream, r->n_clusters < 2 ? &feed : NULL, e))
		return err_wrap(e, "%s", item->shown);
	if (r->n_clusters < 2 || r->clusters[1].has_snapshot)
		return 0;
	if (!item->events)
		return err_set(e, ERR_NOTFOUND,
			"%s: this node runs %s too, and there is no snapshot of that beside it",
			item->shown, r->clusters[1].target->cluster->what);
	if (fetch_object(&other, &r->choose, item->events, &extra, e))
		return e->code;
	stream = feed_stream(&other);
	return take_database(r, &r->clusters[1], &stream, &other, e)
		       ? err_wrap(e, "%s", item->events->name)
		       : 0;
}

static void drop_members(struct run *r)
{
	for (size_t i = 0; i < r->n_clusters; i++) {
		etcd_datadir_abort(&r->clusters[i].dir);
		r->clusters[i].has_snapshot = false;
	}
}

static int keep_members(struct run *r)
{
	for (size_t i = 0; i < r->n_clusters; i++)
		etcd_datadir_keep(&r->clusters[i].dir);
	return 0;
}

/* Files of the node that were read on the way stay read, so the arena is not released. */
static int take_the_best(struct run *r, struct err *e)
{
	const struct plan_identity who = r->rewrite.who;
	const size_t warned = r->rewrite.node.warnings.n;
	bool more = true;

	while (more) {
		if (!take(r, e) && !run_resources(r, e))
			return keep_members(r);
		drop_members(r);
		/* What a candidate said that is no use to anybody. */
		r->rewrite.who = who;
		r->rewrite.node.warnings.n = warned;
		do
			more = choose_again(&r->choose, e);
		while (more && choose_next(&r->choose, e));
	}
	return e->code;
}

int run_members(struct run *r, struct err *e)
{
	const size_t n = r->site.target.node.n_clusters;

	r->clusters = arena_array(r->arena, n + 1, sizeof *r->clusters);
	r->n_clusters = n;
	for (size_t i = 0; i < n; i++) {
		struct run_cluster *c = &r->clusters[i];
		c->target = &r->site.target.clusters[i];
		c->stage = c->wal_stage = NO_ROOT;
		c->dir = NO_DATADIR;
		c->sums = (struct codec_block_sums){ 0 };
	}
	if (n > 2)
		return err_set(e, ERR_UNSUPPORTED, "this node runs %zu etcds", n);
	for (size_t i = 0; i < n; i++) {
		if (open_stages(r, &r->clusters[i], e))
			return e->code;
	}
	event_step(r->listener, step, r->choose.item->shown);
	return take_the_best(r, e);
}

void run_drop(struct run *r)
{
	for (size_t i = 0; i < r->n_clusters; i++) {
		etcd_datadir_abort(&r->clusters[i].dir);
		root_close(&r->clusters[i].stage);
		root_close(&r->clusters[i].wal_stage);
		codec_block_sums_free(&r->clusters[i].sums);
	}
}
