#include "bolt/tx.h"

#include <stdlib.h>
#include <unistd.h>

#include "bolt/build.h"
#include "os/file.h"

enum change_kind { CHANGE_CREATE, CHANGE_CLEAR, CHANGE_PUT, CHANGE_DELETE };

struct bolt_change {
	enum change_kind kind;
	struct span bucket, key, value;
	size_t order;
};

struct bolt_tx bolt_tx_begin(struct bolt_db *db, struct arena *arena)
{
	return (struct bolt_tx){ .db = db, .arena = arena };
}

static void add(struct bolt_tx *tx, struct bolt_change change)
{
	if (tx->n == tx->room) {
		const size_t room = tx->room ? 2 * tx->room : 64;
		struct bolt_change *more = arena_array(tx->arena, room, sizeof *more);
		if (tx->n)
			memcpy(more, tx->changes, tx->n * sizeof *more);
		tx->changes = more;
		tx->room = room;
	}
	change.order = tx->n;
	tx->changes[tx->n++] = change;
}

void bolt_tx_create(struct bolt_tx *tx, struct span bucket)
{
	add(tx, (struct bolt_change){ .kind = CHANGE_CREATE, .bucket = bucket });
}

void bolt_tx_clear(struct bolt_tx *tx, struct span bucket)
{
	add(tx, (struct bolt_change){ .kind = CHANGE_CLEAR, .bucket = bucket });
}

void bolt_tx_put(struct bolt_tx *tx, struct span bucket, struct span key, struct span value)
{
	add(tx, (struct bolt_change){
			.kind = CHANGE_PUT, .bucket = bucket, .key = key, .value = value });
}

void bolt_tx_delete(struct bolt_tx *tx, struct span bucket, struct span key)
{
	add(tx, (struct bolt_change){ .kind = CHANGE_DELETE, .bucket = bucket, .key = key });
}

static int by_place(const void *a, const void *b)
{
	const struct bolt_change *x = a, *y = b;
	int order = span_compare(x->bucket, y->bucket);

	if (!order)
		order = span_compare(x->key, y->key);
	if (!order)
		order = (x->order > y->order) - (x->order < y->order);
	return order;
}

/* The changes of one bucket, each key once. */
struct batch {
	struct span bucket;
	const struct bolt_change *v;
	size_t n;
	bool clear, make; /* drop what is there; have the bucket even when it is empty */
};

/* Take the next bucket's changes off the sorted list. */
static struct batch next_batch(struct bolt_change *v, size_t *at, size_t n)
{
	struct batch b = { v[*at].bucket, v + *at, 0, false, false };
	size_t kept = *at;

	for (; *at < n && span_equal(v[*at].bucket, b.bucket); ++*at) {
		b.clear |= v[*at].kind == CHANGE_CLEAR;
		b.make |= v[*at].kind != CHANGE_DELETE;
		if (v[*at].kind == CHANGE_CREATE || v[*at].kind == CHANGE_CLEAR)
			continue;
		if (b.n && span_equal(v[kept - 1].key, v[*at].key))
			kept--, b.n--;
		v[kept++] = v[*at];
		b.n++;
	}
	return b;
}

static int merge(struct bolt_build *out, const struct bolt_db *db, const struct bolt_bucket *old,
	const struct batch *batch, struct err *e)
{
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	bool there = false;
	size_t i = 0;

	if (old) {
		bolt_cursor_init(&c, db, old);
		if (bolt_cursor_first(&there, &c, e))
			return e->code;
	}
	while (there || i < batch->n) {
		const struct bolt_change *change = i < batch->n ? &batch->v[i] : NULL;
		const int order = !there ? 1 : !change ? -1 : span_compare(c.key, change->key);
		if (order < 0 && bolt_build_add(out, c.flags, c.key, c.value, e))
			return e->code;
		if (order >= 0) {
			if (change->kind == CHANGE_PUT &&
				bolt_build_add(out, 0, change->key, change->value, e))
				return e->code;
			i++;
		}
		if (order <= 0 && bolt_cursor_next(&there, &c, e))
			return e->code;
	}
	return 0;
}

/* When all changes lie behind the bucket's last key: fill the builder with the pages of
 * the right edge and the new entries. */
static int append(bool *done, struct bolt_build *out, const struct bolt_db *db,
	const struct bolt_bucket *old, const struct batch *batch, struct err *e)
{
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	bool there;

	*done = false;
	if (!batch->n)
		return 0;
	for (size_t i = 0; i < batch->n; i++) {
		if (batch->v[i].kind != CHANGE_PUT)
			return 0;
	}
	bolt_cursor_init(&c, db, old);
	if (bolt_cursor_last(&there, &c, e))
		return e->code;
	if (!there || span_compare(c.key, batch->v[0].key) >= 0)
		return 0;
	/* An empty page at the very end, which is legal, would not be in the frames. */
	for (unsigned i = 0; i < c.depth; i++) {
		if (c.frame[i].at + 1u != c.frame[i].page->count)
			return 0;
	}
	for (unsigned i = 0; i < c.depth; i++) {
		const bool leaf = i + 1 == c.depth;
		const struct bolt_page *page = c.frame[i].page;
		if (bolt_build_preload(
			    out, c.depth - 1 - i, page, leaf ? page->count : page->count - 1u, e))
			return e->code;
	}
	for (size_t i = 0; i < batch->n; i++) {
		if (bolt_build_add(out, 0, batch->v[i].key, batch->v[i].value, e))
			return e->code;
	}
	*done = true;
	return 0;
}

/* Write one bucket; `value` becomes its entry in the file's own bucket. */
static int write_bucket(struct buf *value, struct bolt_out *out, const struct bolt_db *db,
	const struct bolt_bucket *old, const struct batch *batch, struct err *e)
{
	CLEAN_BUILD struct bolt_build build = bolt_build_begin(out);
	uint8_t *head;
	bool done = false, small;
	uint64_t root = 0;

	if (old && old->root && !batch->clear && append(&done, &build, db, old, batch, e))
		return e->code;
	if (!done && merge(&build, db, batch->clear ? NULL : old, batch, e))
		return e->code;
	buf_clear(value);
	if (buf_extend(&head, value, BOLT_HEADER, e) || bolt_build_inline(&small, value, &build, e))
		return e->code;
	if (!small && bolt_build_end(&root, &build, e))
		return e->code;
	/* The buf may have moved. */
	put_le64(value->p, root);
	put_le64(value->p + 8, old ? old->sequence : 0);
	return 0;
}

static int write_buckets(uint64_t *root, struct bolt_tx *tx, struct bolt_out *out, struct err *e)
{
	const struct bolt_db *db = tx->db;
	const struct bolt_bucket top = bolt_bucket_root(db);
	CLEAN_BUF struct buf value = BUF(BOLT_PAGE_LIMIT);
	CLEAN_BUILD struct bolt_build build = bolt_build_begin(out);
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct bolt_bucket old;
	struct batch batch = { 0 };
	size_t at = 0;
	bool there, waiting = false;

	bolt_cursor_init(&c, db, &top);
	if (bolt_cursor_first(&there, &c, e))
		return e->code;
	for (;;) {
		if (!waiting && at < tx->n) {
			batch = next_batch(tx->changes, &at, tx->n);
			waiting = true;
		}
		if (!there && !waiting)
			break;
		const int order = !there ? 1 : !waiting ? -1 : span_compare(c.key, batch.bucket);
		if (order < 0) {
			if (bolt_build_add(&build, c.flags, c.key, c.value, e))
				return e->code;
		} else if (order > 0 && !batch.make) {
			waiting = false;
		} else {
			if (!order && !(c.flags & BOLT_ITEM_BUCKET))
				return err_set(e, ERR_FORMAT, "'%.*s' is an entry, not a bucket",
					(int)c.key.len, (const char *)c.key.p);
			if (!order && bolt_bucket_parse(&old, db, c.key, c.value, e))
				return e->code;
			if (write_bucket(&value, out, db, order ? NULL : &old, &batch, e))
				return err_wrap(e, "bucket '%.*s'", (int)batch.bucket.len,
					(const char *)batch.bucket.p);
			if (bolt_build_add(
				    &build, BOLT_ITEM_BUCKET, batch.bucket, buf_span(&value), e))
				return e->code;
			waiting = false;
		}
		if (order <= 0 && bolt_cursor_next(&there, &c, e))
			return e->code;
	}
	return bolt_build_end(root, &build, e);
}

static int write_meta(struct bolt_db *db, const struct bolt_meta *meta, struct err *e)
{
	uint8_t *page = malloc(meta->page_size);

	if (!page)
		out_of_memory(meta->page_size);
	bolt_meta_write(page, meta);
	file_write_at(db->fd, page, meta->page_size, meta->txid % 2 * meta->page_size, e);
	free(page);
	return e->code;
}

int bolt_tx_commit(struct bolt_tx *tx, struct err *e)
{
	struct bolt_db *db = tx->db;
	CLEAN_OUT struct bolt_out out = bolt_out_at(db->fd, db->meta.page_size, db->meta.pgid);
	struct bolt_meta meta = db->meta, older;

	if (!tx->n)
		return 0;
	/* One more would wrap to 0, and the older meta page would be the newer one. */
	if (meta.txid == UINT64_MAX)
		return err_set(e, ERR_FORMAT, "the meta page counts transactions to their end");
	qsort(tx->changes, tx->n, sizeof *tx->changes, by_place);
	if (write_buckets(&meta.root, tx, &out, e) || bolt_out_flush(&out, e))
		return e->code;
	meta.freelist = BOLT_NO_FREELIST;
	meta.pgid = out.next;
	meta.txid++;
	if (file_sync(db->fd, e) || write_meta(db, &meta, e) || file_sync(db->fd, e))
		return e->code;
	/* A damaged meta page is replaced, once the new one is on the disk. */
	older = meta;
	older.txid--;
	if (db->other_meta.code && write_meta(db, &older, e))
		return e->code;
	db->meta = meta;
	db->meta_page = meta.txid % 2;
	db->other_meta = (struct err){ 0 };
	if (db->size < meta.pgid * meta.page_size)
		db->size = meta.pgid * meta.page_size;
	return 0;
}
