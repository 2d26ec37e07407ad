#include "etcd/edit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bolt/check.h"
#include "bolt/tx.h"
#include "codec/sha256.h"
#include "codec/text.h"
#include "etcd/kv.h"
#include "etcd/schema.h"

enum { DROP_LIMIT = 160 * 1024 * 1024, TEXT_LIMIT = 4 * 1024 * 1024 };

int etcd_edits_check(const struct etcd_edits *edits, struct err *e)
{
	/* etcdutl's words; it means --bump-revision. */
	if ((edits->bump > 0) != edits->mark_compacted)
		return err_set(e, ERR_USAGE,
			"--mark-compacted required if --revision-bump > 0, and only then");
	if (edits->bump > INT64_MAX / 2)
		return err_set(e, ERR_USAGE,
			"--bump-revision %" PRIu64 " would bring the revisions near their end",
			edits->bump);
	for (size_t i = 0; i < edits->n_drop_keys; i++) {
		if (!edits->drop_keys[i][0])
			return err_set(e, ERR_USAGE, "--drop-key is empty");
	}
	for (size_t i = 0; i < edits->n_drop_prefixes; i++) {
		if (!edits->drop_prefixes[i][0])
			return err_set(
				e, ERR_USAGE, "--drop-prefix is empty, which would be every key");
	}
	return 0;
}

static int print_keys(
	struct buf *out, const char *what, const char *const *v, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (buf_print(out, e, "%s ", what) || codec_text_go_json(out, str_from(v[i]), e) ||
			buf_add(out, "\n", 1, e))
			return e->code;
	}
	return 0;
}

static int print_cluster(struct buf *out, const struct etcd_cluster *c, struct err *e)
{
	for (size_t i = 0; i < c->n_members; i++) {
		if (buf_print(out, e, "member %s ", etcd_ident_text(c->members[i].id).text) ||
			etcd_ident_member_json(out, &c->members[i], e) || buf_add(out, "\n", 1, e))
			return e->code;
	}
	return buf_print(
		out, e, "cluster %s index %zu term 1\n", etcd_ident_text(c->id).text, c->n_members);
}

int etcd_edits_print(struct buf *out, const struct etcd_edits *edits, struct err *e)
{
	if (print_keys(out, "drop-key", edits->drop_keys, edits->n_drop_keys, e) ||
		print_keys(out, "drop-prefix", edits->drop_prefixes, edits->n_drop_prefixes, e))
		return e->code;
	if (edits->bump && buf_print(out, e, "bump-revision %" PRIu64 "\n", edits->bump))
		return e->code;
	if (edits->mark_compacted && buf_add_str(out, STR("mark-compacted\n"), e))
		return e->code;
	if (edits->drop_leases && buf_add_str(out, STR("drop-leases\n"), e))
		return e->code;
	if (edits->clear_alarms && buf_add_str(out, STR("clear-alarms\n"), e))
		return e->code;
	if (edits->fix_markers && buf_add_str(out, STR("fix-version-markers\n"), e))
		return e->code;
	return edits->cluster ? print_cluster(out, edits->cluster, e) : 0;
}

int etcd_edits_digest(char hex[65], const struct etcd_edits *edits, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(TEXT_LIMIT);
	uint8_t digest[CODEC_SHA256_SIZE];

	if (etcd_edits_print(&text, edits, e))
		return e->code;
	codec_sha256_of(digest, buf_span(&text));
	codec_sha256_hex(hex, digest);
	return 0;
}

/* A revision of a key that is to be dropped. */
struct match {
	struct span key;
	size_t order;
	bool tombstone;
};

struct dropping {
	const struct etcd_edits *edits;
	struct buf keys;    /* their bytes */
	struct buf matches; /* struct match; until the walk is over key.p counts from 0 */
	size_t n;
};

static bool is_wanted(const struct etcd_edits *edits, struct span key)
{
	for (size_t i = 0; i < edits->n_drop_keys; i++) {
		const struct str s = str_from(edits->drop_keys[i]);
		if (span_equal(key, (struct span){ (const uint8_t *)s.p, s.len }))
			return true;
	}
	for (size_t i = 0; i < edits->n_drop_prefixes; i++) {
		const struct str s = str_from(edits->drop_prefixes[i]);
		if (span_starts(key, (struct span){ (const uint8_t *)s.p, s.len }))
			return true;
	}
	return false;
}

static int on_revision(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	struct dropping *d = ctx;
	struct etcd_rev rev;
	struct etcd_kv kv;

	(void)bucket;
	if (etcd_rev_parse(&rev, key, e) || etcd_kv_parse(&kv, value, e))
		return e->code;
	if (!is_wanted(d->edits, kv.key))
		return 0;
	const struct match m = { { NULL, kv.key.len }, d->n++, rev.tombstone };
	if (buf_add(&d->keys, kv.key.p, kv.key.len, e) || buf_add(&d->matches, &m, sizeof m, e))
		return err_wrap(e, "the keys to drop are too many for one run");
	return 0;
}

static int by_key_then_order(const void *a, const void *b)
{
	const struct match *x = a, *y = b;
	const int order = span_compare(x->key, y->key);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* One transaction of deletes, as mvcc's deleteRange makes it. */
static int drop_keys(struct etcd_edited *edited, int64_t *main, struct bolt_tx *tx,
	const struct etcd_edits *edits, struct err *e)
{
	CLEAN_BUF struct buf keys = BUF(DROP_LIMIT), matches = BUF(DROP_LIMIT);
	struct dropping d = { edits, keys, matches, 0 };
	const struct bolt_visitor visitor = { NULL, on_revision, &d };
	int64_t sub = 0;

	bolt_walk_bucket(tx->db, ETCD_KEY, &visitor, e);
	keys = d.keys;
	matches = d.matches;
	if (e->code || !d.n)
		return e->code;
	struct match *m = (struct match *)(void *)matches.p;
	size_t at = 0;
	for (size_t i = 0; i < d.n; i++) {
		m[i].key.p = keys.p + at;
		at += m[i].key.len;
	}
	qsort(m, d.n, sizeof *m, by_key_then_order);
	for (size_t i = 0; i < d.n; i++) {
		const bool last = i + 1 == d.n || !span_equal(m[i].key, m[i + 1].key);
		if (!last || m[i].tombstone)
			continue;
		const struct etcd_rev rev = { *main + 1, sub++, true };
		const struct etcd_kv kv = { .key = m[i].key };
		CLEAN_BUF struct buf value = BUF(DROP_LIMIT);
		if (etcd_kv_write(&value, &kv, e))
			return e->code;
		uint8_t *p = arena_alloc(tx->arena, ETCD_REV_SIZE + 1 + value.len);
		const size_t len = etcd_rev_write(p, rev);
		memcpy(p + len, value.p, value.len);
		bolt_tx_put(
			tx, ETCD_KEY, (struct span){ p, len }, (struct span){ p + len, value.len });
	}
	edited->dropped_keys = (uint64_t)sub;
	*main += sub > 0;
	return 0;
}

static int count_entry(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	(void)bucket, (void)key, (void)value, (void)e;
	++*(uint64_t *)ctx;
	return 0;
}

/* Empty a bucket that is there. */
static int empty(uint64_t *n, struct bolt_tx *tx, struct span bucket, struct err *e)
{
	const struct bolt_visitor visitor = { NULL, count_entry, n };

	*n = 0;
	if (bolt_walk_bucket(tx->db, bucket, &visitor, e))
		return e->code;
	if (*n)
		bolt_tx_clear(tx, bucket);
	return 0;
}

static struct span keep(struct arena *a, struct span s)
{
	uint8_t *p = arena_alloc(a, s.len);

	memcpy(p, s.p, s.len);
	return (struct span){ p, s.len };
}

static struct span number(struct arena *a, uint64_t value)
{
	uint8_t *p = arena_alloc(a, 8);

	put_be64(p, value);
	return (struct span){ p, 8 };
}

static int bump(int64_t *main, struct bolt_tx *tx, const struct etcd_edits *edits, struct err *e)
{
	uint8_t *p = arena_alloc(tx->arena, ETCD_REV_SIZE);
	int64_t next;

	if (__builtin_add_overflow(*main, (int64_t)edits->bump, &next))
		return err_set(e, ERR_USAGE,
			"--bump-revision %" PRIu64 ": revision %" PRId64 " cannot grow so far",
			edits->bump, *main);
	etcd_rev_write(p, (struct etcd_rev){ next, 0, false });
	const struct span rev = { p, ETCD_REV_SIZE };
	bolt_tx_put(tx, ETCD_KEY, rev, (struct span){ 0 });
	if (edits->mark_compacted)
		bolt_tx_put(tx, ETCD_META, ETCD_META_SCHEDULED, rev);
	*main = next;
	return 0;
}

/* {"voters":[..],"auto_leave":false}, as the server writes it after a change of members. */
static int conf_state(
	struct span *text, struct arena *a, const struct etcd_cluster *c, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(TEXT_LIMIT);

	if (buf_add_str(&out, STR("{\"voters\":["), e))
		return e->code;
	for (size_t i = 0; i < c->n_members; i++) {
		if (buf_print(&out, e, "%s%" PRIu64, i ? "," : "", c->members[i].id))
			return e->code;
	}
	if (buf_add_str(&out, STR("],\"auto_leave\":false}"), e))
		return e->code;
	*text = keep(a, buf_span(&out));
	return 0;
}

static int set_members(struct bolt_tx *tx, const struct etcd_cluster *c, struct err *e)
{
	struct span text;

	bolt_tx_clear(tx, ETCD_MEMBERS);
	bolt_tx_clear(tx, ETCD_MEMBERS_REMOVED);
	bolt_tx_create(tx, ETCD_CLUSTER);
	for (size_t i = 0; i < c->n_members; i++) {
		CLEAN_BUF struct buf json = BUF(TEXT_LIMIT);
		const struct etcd_id_text id = etcd_ident_text(c->members[i].id);
		const struct span key = { (const uint8_t *)id.text, str_from(id.text).len };
		if (etcd_ident_member_json(&json, &c->members[i], e))
			return e->code;
		bolt_tx_put(
			tx, ETCD_MEMBERS, keep(tx->arena, key), keep(tx->arena, buf_span(&json)));
	}
	if (conf_state(&text, tx->arena, c, e))
		return e->code;
	bolt_tx_put(tx, ETCD_META, ETCD_META_INDEX, number(tx->arena, c->n_members));
	bolt_tx_put(tx, ETCD_META, ETCD_META_TERM, number(tx->arena, 1));
	bolt_tx_put(tx, ETCD_META, ETCD_META_CONFSTATE, text);
	return 0;
}

static int collect(struct etcd_edited *edited, struct bolt_tx *tx, const struct etcd_edits *edits,
	struct err *e)
{
	struct etcd_revisions revisions;

	if (etcd_revisions_read(&revisions, tx->db, e))
		return e->code;
	int64_t main = revisions.last.main > revisions.compacted ? revisions.last.main
								 : revisions.compacted;
	if ((edits->n_drop_keys || edits->n_drop_prefixes) &&
		drop_keys(edited, &main, tx, edits, e))
		return e->code;
	if (edits->bump && bump(&main, tx, edits, e))
		return e->code;
	if (edits->drop_leases && empty(&edited->dropped_leases, tx, ETCD_LEASE, e))
		return e->code;
	if (edits->clear_alarms && empty(&edited->dropped_alarms, tx, ETCD_ALARM, e))
		return e->code;
	if (edits->fix_markers) {
		bolt_tx_delete(tx, ETCD_META, ETCD_META_STORAGE);
		bolt_tx_delete(tx, ETCD_CLUSTER, ETCD_CLUSTER_VERSION);
		bolt_tx_delete(tx, ETCD_CLUSTER, ETCD_CLUSTER_DOWN);
	}
	edited->revision = main;
	return edits->cluster ? set_members(tx, edits->cluster, e) : 0;
}

int etcd_edits_apply(struct etcd_edited *edited, struct bolt_db *db, const struct etcd_edits *edits,
	const struct listener *listener, struct err *e)
{
	struct arena arena = ARENA((size_t)4 * DROP_LIMIT);
	struct bolt_tx tx = bolt_tx_begin(db, &arena);
	struct etcd_edited done = { 0 };

	if (etcd_edits_check(edits, e) || collect(&done, &tx, edits, e))
		goto out;
	if (done.dropped_keys)
		event_info(listener, "edit", "%" PRIu64 " keys dropped", done.dropped_keys);
	if (bolt_tx_commit(&tx, e))
		goto out;
	*edited = done;
out:
	arena_free(&arena);
	return e->code;
}
