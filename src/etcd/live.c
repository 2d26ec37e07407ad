#include "etcd/live.h"

#include <inttypes.h>

#include "bolt/cursor.h"
#include "etcd/keyset.h"
#include "etcd/schema.h"

static int check_revision(const struct bolt_db *db, int64_t revision, struct err *e)
{
	struct etcd_revisions r;

	if (etcd_revisions_read(&r, db, e))
		return e->code;
	if (revision && revision < r.compacted)
		return err_set(e, ERR_USAGE,
			"revision %" PRId64 " has been compacted; the oldest left is %" PRId64,
			revision, r.compacted);
	if (revision > r.current)
		return err_set(e, ERR_USAGE,
			"revision %" PRId64 " is not there yet; the latest is %" PRId64, revision,
			r.current);
	return 0;
}

static int start(bool *there, struct bolt_cursor *c, int64_t revision, struct err *e)
{
	uint8_t after[ETCD_REV_SIZE + 1];

	if (!revision)
		return bolt_cursor_last(there, c, e);
	const struct etcd_rev next = { revision, INT64_MAX, true };
	const size_t len = etcd_rev_write(after, next);
	if (bolt_cursor_seek(there, c, (struct span){ after, len }, e))
		return e->code;
	return *there ? bolt_cursor_prev(there, c, e) : bolt_cursor_last(there, c, e);
}

int etcd_live_walk(const struct bolt_db *db, int64_t revision, struct etcd_live_visitor *visitor,
	struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	CLEAN_KEYSET struct etcd_keyset seen = etcd_keyset_new(0);
	struct bolt_bucket bucket;
	struct etcd_rev rev;
	struct etcd_kv kv;
	bool there;

	if (check_revision(db, revision, e) ||
		bolt_bucket_find(&bucket, &there, &slot, db, ETCD_KEY, e))
		return e->code;
	if (!there)
		return 0;
	bolt_cursor_init(&c, db, &bucket);
	if (start(&there, &c, revision, e))
		return err_wrap(e, "bucket 'key'");
	while (there && !visitor->done) {
		if (etcd_rev_parse(&rev, c.key, e) || etcd_kv_parse(&kv, c.value, e))
			return err_wrap(e, "bucket 'key'");
		if (etcd_keyset_add(&seen, kv.key) && !rev.tombstone &&
			visitor->key(visitor->ctx, &kv, e))
			return e->code;
		if (bolt_cursor_prev(&there, &c, e))
			return err_wrap(e, "bucket 'key'");
	}
	return 0;
}

struct getting {
	struct etcd_live_visitor visitor;
	struct span name;
	struct etcd_live_key *key;
	struct buf *out;
};

static int take(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	struct getting *g = ctx;

	if (!span_equal(kv->key, g->name))
		return 0;
	buf_clear(g->out);
	if (buf_add(g->out, kv->key.p, kv->key.len, e) ||
		buf_add(g->out, kv->value.p, kv->value.len, e))
		return e->code;
	g->key->found = true;
	g->key->kv = *kv;
	g->key->kv.key.p = g->out->p;
	g->key->kv.value.p = g->out->p + kv->key.len;
	g->visitor.done = true;
	return 0;
}

int etcd_live_get(struct etcd_live_key *key, struct buf *out, const struct bolt_db *db,
	struct span name, int64_t revision, struct err *e)
{
	struct etcd_live_key found = { 0 };
	struct getting g = { { take, &g, false }, name, &found, out };

	if (etcd_live_walk(db, revision, &g.visitor, e))
		return e->code;
	*key = found;
	return 0;
}
