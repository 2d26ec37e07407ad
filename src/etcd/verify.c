#include "etcd/verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "etcd/kv.h"
#include "etcd/schema.h"
#include "etcd/snapfile.h"
#include "etcd/wal.h"
#include "os/file.h"
#include "os/names.h"

static const char step[] = "verify";

/* Snapshots the WAL mentions; a .snap file without one is passed over, as etcd does. */
struct mention {
	uint64_t index, term;
	struct mention *next;
};

struct reading {
	struct etcd_verified v;
	struct arena *a;
	struct mention *mentions;
	bool has_metadata;
};

static int take_entry(struct reading *r, const struct etcd_wal_record *record, struct err *e)
{
	struct etcd_entry entry;

	if (etcd_raftpb_read_entry(&entry, record->data, e))
		return e->code;
	/* An entry again, with a higher term, replaces what followed it; and a member that was
	 * away too long gets a snapshot instead of the entries before it. */
	const bool after_snapshot = r->mentions && entry.index <= r->mentions->index + 1;

	if (r->v.entries && entry.index > r->v.last_index + 1 && !after_snapshot)
		return err_set(e, ERR_FORMAT, "entry %" PRIu64 " follows entry %" PRIu64,
			entry.index, r->v.last_index);
	if (!r->v.entries++)
		r->v.first_index = entry.index;
	r->v.last_index = entry.index;
	return 0;
}

static int take_record(struct reading *r, const struct etcd_wal_record *record, struct err *e)
{
	struct etcd_metadata metadata;
	struct etcd_hard_state state;
	struct etcd_wal_snapshot snapshot;

	switch (record->type) {
	case ETCD_WAL_METADATA:
		if (etcd_raftpb_read_metadata(&metadata, record->data, e))
			return e->code;
		if (r->has_metadata && (metadata.node_id != r->v.node_id ||
					       metadata.cluster_id != r->v.cluster_id))
			return err_set(e, ERR_MISMATCH,
				"belongs to member %s, the records before to %s",
				etcd_ident_text(metadata.node_id).text,
				etcd_ident_text(r->v.node_id).text);
		r->has_metadata = true;
		r->v.node_id = metadata.node_id;
		r->v.cluster_id = metadata.cluster_id;
		return 0;
	case ETCD_WAL_ENTRY:
		return take_entry(r, record, e);
	case ETCD_WAL_STATE:
		if (etcd_raftpb_read_hard_state(&state, record->data, e))
			return e->code;
		r->v.term = state.term;
		r->v.commit = state.commit;
		return 0;
	case ETCD_WAL_SNAPSHOT: {
		if (etcd_raftpb_read_wal_snapshot(&snapshot, record->data, e))
			return e->code;
		struct mention *m = arena_alloc(r->a, sizeof *m);
		*m = (struct mention){ snapshot.index, snapshot.term, r->mentions };
		r->mentions = m;
		return 0;
	}
	case ETCD_WAL_CRC:
	case ETCD_WAL_END:
		return 0;
	}
	return 0;
}

static int read_wal(struct reading *r, const char *path, const struct listener *l, struct err *e)
{
	CLOSE_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	struct etcd_wal_record record;

	if (dir < 0)
		return err_sys(e, "%s", path);
	if (etcd_wal_open(&wal, dir, r->a, e))
		return err_wrap(e, "%s", path);
	for (;;) {
		if (etcd_wal_next(&record, &wal, e))
			return err_wrap(e, "%s", path);
		if (record.type == ETCD_WAL_END)
			break;
		r->v.records++;
		if (take_record(r, &record, e))
			return err_wrap(e, "%s/%s: record at byte %" PRIu64, path, record.segment,
				record.at);
	}
	r->v.torn = wal.torn;
	if (wal.torn)
		event_warning(l, step, "the WAL ends with a torn record, which etcd drops: %s",
			wal.torn_why);
	if (!r->has_metadata)
		return err_set(e, ERR_FORMAT, "%s: no metadata record", path);
	return 0;
}

static bool is_mentioned(const struct reading *r, uint64_t term, uint64_t index)
{
	for (const struct mention *m = r->mentions; m; m = m->next) {
		if (m->term == term && m->index == index && index <= r->v.commit)
			return true;
	}
	return false;
}

static int check_voters(const struct etcd_conf_state *c, const struct etcd_status *s,
	const char *name, struct err *e)
{
	for (size_t i = 0; i < c->n_voters; i++) {
		const struct etcd_known_member *m = s->members;
		while (m && m->id != c->voters[i])
			m = m->next;
		/* 3.4 does not keep the bucket; later changes are only in the WAL. */
		if (!m && s->n_members == c->n_voters)
			return err_set(e, ERR_MISMATCH,
				"%s: voter %s is not in the database's members", name,
				etcd_ident_text(c->voters[i]).text);
	}
	return 0;
}

/* The newest .snap that counts. */
static int read_snap(struct reading *r, const char *path, const struct etcd_status *s,
	const struct listener *l, struct err *e)
{
	CLEAN_ROOT struct root root = NO_ROOT;
	CLEAN_BUF struct buf bytes = BUF(ETCD_SNAPFILE_MAX);
	struct etcd_snapfile *file = arena_alloc(r->a, sizeof *file);
	struct names names;

	if (root_open(&root, path, e) || names_read(&names, r->a, &root, "/", e))
		return err_wrap(e, "%s", path);
	for (size_t i = names.n; i--;) {
		uint64_t term, index;
		if (!etcd_snapfile_name(&term, &index, names.v[i]))
			continue;
		if (!is_mentioned(r, term, index)) {
			event_info(l, step, "%s: not in the WAL, etcd passes it over", names.v[i]);
			continue;
		}
		if (etcd_snapfile_read(file, &bytes, root.fd, names.v[i], e))
			return err_wrap(e, "%s", path);
		r->v.has_snap = true;
		r->v.snap_index = index;
		r->v.snap_term = term;
		return check_voters(&file->snapshot.conf_state, s, names.v[i], e);
	}
	return 0;
}

static int cross_check(const struct etcd_verified *v, const struct etcd_status *s, struct err *e)
{
	const uint64_t last = v->entries ? v->last_index : v->snap_index;

	if (v->commit > (last > v->snap_index ? last : v->snap_index))
		return err_set(e, ERR_MISMATCH,
			"the WAL says %" PRIu64 " is committed, but ends at entry %" PRIu64,
			v->commit, last);
	if (v->has_snap && s->consistent_index < v->snap_index)
		return err_set(e, ERR_MISMATCH,
			"the database is at index %" PRIu64 ", the .snap file at %" PRIu64
			"; a server would look for a .snap.db file and end",
			s->consistent_index, v->snap_index);
	if (s->consistent_index > (last > v->commit ? last : v->commit))
		return err_set(e, ERR_MISMATCH,
			"the database is at index %" PRIu64 ", the WAL ends at %" PRIu64
			": they are not of the same time",
			s->consistent_index, last);
	if (v->has_snap && v->entries && v->first_index > v->snap_index + 1)
		return err_set(e, ERR_MISMATCH,
			"the WAL begins at entry %" PRIu64 ", the .snap file ends at %" PRIu64
			": entries between are missing",
			v->first_index, v->snap_index);
	return 0;
}

int etcd_verify_member(struct etcd_verified *v, struct arena *a, const char *data_dir,
	const char *wal_dir, const struct etcd_status *s, const struct listener *listener,
	struct err *e)
{
	struct reading r = { .a = a };
	const char *wal = wal_dir ? wal_dir : arena_print(a, "%s/member/wal", data_dir);
	const char *snap = arena_print(a, "%s/member/snap", data_dir);

	if (read_wal(&r, wal, listener, e) || read_snap(&r, snap, s, listener, e) ||
		cross_check(&r.v, s, e))
		return e->code;
	*v = r.v;
	return 0;
}

static int check_entry(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	struct etcd_rev rev;
	struct etcd_kv kv;

	(void)ctx, (void)bucket;
	if (etcd_rev_parse(&rev, key, e) || etcd_kv_parse(&kv, value, e))
		return e->code;
	/* An entry without a key is what --bump-revision leaves. */
	if (rev.tombstone || !kv.key.len)
		return 0;
	if (kv.mod != rev.main || kv.create > kv.mod || kv.create < 1 || kv.version < 1)
		return err_set(e, ERR_MISMATCH,
			"revision %" PRId64 "_%" PRId64 ": its value says created %" PRId64
			", modified %" PRId64 ", version %" PRId64,
			rev.main, rev.sub, kv.create, kv.mod, kv.version);
	return 0;
}

int etcd_verify_keys(const struct bolt_db *db, struct err *e)
{
	const struct bolt_visitor visitor = { NULL, check_entry, NULL };

	return bolt_walk_bucket(db, ETCD_KEY, &visitor, e);
}
