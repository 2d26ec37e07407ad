#include "etcd/hashkv.h"

#include <inttypes.h>

#include "base/buf.h"
#include "bolt/check.h"
#include "bolt/cursor.h"
#include "codec/crc32c.h"
#include "etcd/keyset.h"
#include "etcd/kv.h"
#include "etcd/schema.h"

enum { KEEP_LIMIT = 1 << 30 }; /* one byte for a revision at or below the compaction */

struct hashing {
	struct etcd_hashkv h;
	bool any_live;
	struct buf keep; /* backwards: the last one belongs to the first revision */
};

/* From the end: the first time a key is met is its last revision. */
static int find_kept(struct hashing *h, struct etcd_keyset *seen, struct bolt_cursor *c, bool there,
	struct err *e)
{
	struct etcd_rev rev;
	struct etcd_kv kv;

	while (there) {
		if (etcd_rev_parse(&rev, c->key, e) || etcd_kv_parse(&kv, c->value, e))
			return e->code;
		const bool kept = etcd_keyset_add(seen, kv.key) && !rev.tombstone;
		const uint8_t byte = kept;
		h->any_live |= kept;
		if (rev.main <= h->h.compacted && buf_add(&h->keep, &byte, 1, e))
			return e->code;
		if (bolt_cursor_prev(&there, c, e))
			return e->code;
	}
	return 0;
}

static int look_back(struct hashing *h, const struct bolt_db *db, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	CLEAN_KEYSET struct etcd_keyset seen = etcd_keyset_new(0);
	uint8_t after[ETCD_REV_SIZE + 1];
	struct bolt_bucket bucket;
	bool there;

	if (bolt_bucket_find(&bucket, &there, &slot, db, ETCD_KEY, e))
		return e->code;
	if (!there)
		return 0;
	bolt_cursor_init(&c, db, &bucket);
	const struct etcd_rev next = { h->h.revision, INT64_MAX, true };
	const size_t len = etcd_rev_write(after, next);
	if (bolt_cursor_seek(&there, &c, (struct span){ after, len }, e))
		return e->code;
	if (there ? bolt_cursor_prev(&there, &c, e) : bolt_cursor_last(&there, &c, e))
		return e->code;
	return find_kept(h, &seen, &c, there, e);
}

static int on_revision(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	struct hashing *h = ctx;
	struct etcd_rev rev;

	(void)bucket;
	if (etcd_rev_parse(&rev, key, e))
		return e->code;
	if (rev.main > h->h.revision)
		return 0;
	if (rev.main <= h->h.compacted) {
		const bool kept = h->keep.len && h->keep.p[h->keep.len - 1];
		h->keep.len -= h->keep.len > 0;
		if (h->any_live && !kept)
			return 0;
		if (rev.tombstone && rev.main == h->h.compacted)
			return 0;
	}
	h->h.hash = codec_crc32c(h->h.hash, key);
	h->h.hash = codec_crc32c(h->h.hash, value);
	return 0;
}

int etcd_hashkv_read(
	struct etcd_hashkv *hash, const struct bolt_db *db, int64_t revision, struct err *e)
{
	struct hashing h = { .h = { .compacted = -1 }, .keep = BUF(KEEP_LIMIT) };
	const struct bolt_visitor visitor = { NULL, on_revision, &h };
	struct etcd_revisions r;

	if (etcd_revisions_read(&r, db, e))
		return e->code;
	if (r.compacted)
		h.h.compacted = r.compacted;
	if (revision && revision < h.h.compacted)
		return err_set(e, ERR_USAGE,
			"revision %" PRId64 " has been compacted; the oldest left is %" PRId64,
			revision, h.h.compacted);
	if (revision > r.current)
		return err_set(e, ERR_USAGE,
			"revision %" PRId64 " is not there yet; the latest is %" PRId64, revision,
			r.current);
	h.h.revision = revision ? revision : r.current;
	h.h.hash = codec_crc32c(0, SPAN("key"));
	if (!look_back(&h, db, e) && !bolt_walk_bucket(db, ETCD_KEY, &visitor, e))
		*hash = h.h;
	buf_free(&h.keep);
	return e->code;
}
