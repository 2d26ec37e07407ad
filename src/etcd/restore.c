#include "etcd/restore.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "bolt/cursor.h"
#include "etcd/kv.h"
#include "etcd/received.h"
#include "etcd/schema.h"
#include "etcd/snapshot.h"
#include "etcd/status.h"
#include "os/file.h"

static const char step[] = "restore";

static struct etcd_datadir_config place_of(
	const struct etcd_restore *r, struct arena *a, const struct etcd_cluster *cluster, size_t i)
{
	struct etcd_datadir_config place = r->place;

	if (r->all_members)
		place.data_dir = arena_print(
			a, "%s/%.*s", r->place.data_dir, STR_ARG(cluster->members[i].name));
	return place;
}

/* With all members any of them will do to check the rest. */
static struct str first_name(struct str initial_cluster)
{
	struct str name, rest;

	while (str_starts(initial_cluster, STR(",")))
		initial_cluster = (struct str){ initial_cluster.p + 1, initial_cluster.len - 1 };
	str_cut(&name, &rest, initial_cluster, '=');
	return str_trim(name);
}

static bool is_plain_name(struct str name)
{
	size_t at;

	return name.len && name.len < 256 && !str_is(name, ".") && !str_is(name, "..") &&
	       !str_find(&at, name, STR("/"));
}

int etcd_restore_check(struct etcd_restore_result *result, struct arena *a,
	const struct etcd_restore *r, struct err *e)
{
	struct etcd_cluster *cluster = arena_alloc(a, sizeof *cluster);
	struct etcd_restore_config ident = r->ident;
	struct etcd_restore_result found = { 0 };

	if (etcd_edits_check(&r->edits, e))
		return e->code;
	if (r->all_members) {
		ident.name = first_name(ident.initial_cluster);
		ident.advertise = (struct str){ 0 };
		if (r->place.wal_dir)
			return err_set(e, ERR_USAGE,
				"--wal-dir is for one member, --all-members makes several");
	}
	if (etcd_ident_cluster(cluster, &found.own, a, &ident, e))
		return e->code;
	found.cluster = cluster;
	for (size_t i = 0; i < (r->all_members ? cluster->n_members : 1); i++) {
		const struct etcd_datadir_config place = place_of(r, a, cluster, i);
		if (r->all_members && !is_plain_name(cluster->members[i].name))
			return err_set(e, ERR_USAGE,
				"member name '%.*s' cannot be the name of a directory",
				STR_ARG(cluster->members[i].name));
		if (etcd_datadir_check(&place, e))
			return e->code;
	}
	if (r->all_members)
		found.own = NULL;
	struct etcd_edits edits = r->edits;
	edits.cluster = cluster;
	if (etcd_edits_digest(found.digest, &edits, e))
		return e->code;
	*result = found;
	return 0;
}

int etcd_restore_is_kubernetes(bool *yes, const struct bolt_db *db, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct bolt_bucket bucket;
	struct etcd_kv kv;

	*yes = false;
	bool there;
	if (bolt_bucket_find(&bucket, &there, &slot, db, ETCD_KEY, e))
		return e->code;
	if (!there)
		return 0;
	bolt_cursor_init(&c, db, &bucket);
	if (bolt_cursor_last(&there, &c, e))
		return err_wrap(e, "bucket 'key'");
	for (int i = 0; there && i < 100 && !*yes; i++) {
		if (etcd_kv_parse(&kv, c.value, e))
			return err_wrap(e, "bucket 'key'");
		/* The latter two are OpenShift's. */
		*yes = span_starts(kv.key, SPAN("/registry/")) ||
		       span_starts(kv.key, SPAN("/kubernetes.io/")) ||
		       span_starts(kv.key, SPAN("/openshift.io/"));
		if (bolt_cursor_prev(&there, &c, e))
			return err_wrap(e, "bucket 'key'");
	}
	return 0;
}

static void warn_of_ids(struct etcd_restore_result *result, const struct etcd_status *s,
	const struct listener *listener)
{
	for (const struct etcd_known_member *m = s->members; m; m = m->next) {
		for (size_t i = 0; i < result->cluster->n_members; i++)
			result->same_ids |= result->cluster->members[i].id == m->id;
	}
	if (result->same_ids)
		event_warning(listener, step,
			"a member gets the id it had in the old cluster, so an old member that "
			"still runs could talk to it; give a new --initial-cluster-token");
}

static int look_before(struct etcd_restore_result *result, const struct bolt_db *db,
	const struct etcd_restore *r, const struct listener *listener, struct err *e)
{
	struct arena arena = ARENA(64 * 1024 * 1024);
	struct etcd_status s;
	bool kubernetes;

	if (etcd_status_brief(&s, &arena, db, e) || etcd_restore_is_kubernetes(&kubernetes, db, e))
		goto out;
	warn_of_ids(result, &s, listener);
	for (const struct etcd_known_member *m = s.members; m; m = m->next) {
		if (m->learner)
			event_info(listener, step,
				"%.*s was a learner; every listed member becomes a voter",
				STR_ARG(m->name));
	}
	if (s.n_alarms && !r->edits.clear_alarms)
		event_warning(listener, step,
			"alarm %s stays active and blocks writes; --clear-alarms removes it",
			etcd_alarm_word(s.alarms->kind));
	if (kubernetes && !r->edits.bump)
		event_warning(listener, step,
			"Kubernetes data without --bump-revision: clients that saw newer revisions "
			"miss events; advised: --bump-revision 1000000000 --mark-compacted");
out:
	arena_free(&arena);
	return e->code;
}

int etcd_restore_look(struct etcd_restore_result *result, const struct bolt_db *db,
	const struct etcd_restore *r, const struct listener *listener, struct err *e)
{
	struct etcd_received received;

	return etcd_received_look(&received, db, e) ? e->code
						    : look_before(result, db, r, listener, e);
}

int etcd_restore_edit(struct etcd_restore_result *result, int fd, const struct bolt_db *received,
	const struct etcd_restore *r, const struct listener *listener, struct err *e)
{
	struct etcd_edits edits = r->edits;
	struct bolt_db db = *received;

	edits.cluster = result->cluster;
	if (look_before(result, &db, r, listener, e) || etcd_permit_ask(&r->permit, e))
		return e->code;
	/* Space behind the pages in use: the trailer, or what the server had grown. */
	if (ftruncate(fd, (off_t)(db.meta.pgid * db.meta.page_size)))
		return err_sys(e, "database");
	if (etcd_edits_apply(&result->edited, &db, &edits, listener, e))
		return e->code;
	result->db_size = db.meta.pgid * db.meta.page_size;
	return 0;
}

int etcd_restore_finish_db(struct etcd_restore_result *result, int fd,
	const struct etcd_copied *copied, const struct etcd_restore *r,
	const struct listener *listener, struct err *e)
{
	struct etcd_received received;

	if (etcd_received_check(&received, fd, copied, r->skip_hash_check, listener, step, e))
		return e->code;
	result->verified = received.verified;
	return etcd_restore_edit(result, fd, &received.db, r, listener, e);
}

static int make_others(struct etcd_datadir *dirs, struct arena *a, const struct etcd_restore *r,
	const struct etcd_cluster *cluster, struct err *e)
{
	for (size_t i = 1; i < cluster->n_members; i++) {
		const struct etcd_datadir_config place = place_of(r, a, cluster, i);
		if (etcd_datadir_begin(&dirs[i], &place, e) ||
			etcd_datadir_clone_db(&dirs[i], &dirs[0], &r->permit, e))
			return e->code;
	}
	return 0;
}

int etcd_restore_run(struct etcd_restore_result *result, struct arena *a,
	const struct etcd_restore *r, const struct stream *source, const struct listener *listener,
	struct err *e)
{
	CLEAN_SCAN struct bolt_scan scan = etcd_received_scan(NULL);
	struct etcd_copied copied = { .scan = &scan };
	struct etcd_restore_result found;

	if (etcd_restore_check(&found, a, r, e))
		return e->code;
	const size_t n = r->all_members ? found.cluster->n_members : 1;
	struct etcd_datadir *dirs = arena_array(a, n, sizeof *dirs);
	for (size_t i = 0; i < n; i++)
		dirs[i] = NO_DATADIR;
	const struct etcd_datadir_config place = place_of(r, a, found.cluster, 0);
	if (etcd_datadir_begin(&dirs[0], &place, e) ||
		etcd_copy(&copied, dirs[0].db, source, listener, step, e) ||
		etcd_restore_finish_db(&found, dirs[0].db, &copied, r, listener, e))
		goto out;
	if (r->all_members && make_others(dirs, a, r, found.cluster, e))
		goto out;
	for (size_t i = 0; i < n; i++) {
		const struct etcd_member *own =
			r->all_members ? &found.cluster->members[i] : found.own;
		if (etcd_permit_ask(&r->permit, e) ||
			etcd_datadir_prepare(&dirs[i], found.cluster, own, e))
			goto out;
	}
	if (etcd_permit_ask(&r->permit, e))
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (etcd_datadir_publish(&dirs[i], e))
			goto out;
	}
	for (size_t i = 0; i < n; i++)
		etcd_datadir_keep(&dirs[i]);
	*result = found;
out:
	/* The first made the parents they share, so it goes last. */
	for (size_t i = n; i > 0; i--)
		etcd_datadir_abort(&dirs[i - 1]);
	return e->code;
}
