#include "etcd/kv.h"

#include "bolt/cursor.h"
#include "codec/pb.h"
#include "etcd/schema.h"

int etcd_rev_parse(struct etcd_rev *rev, struct span key, struct err *e)
{
	const bool tombstone = key.len == ETCD_REV_SIZE + 1 && key.p[ETCD_REV_SIZE] == 't';

	if ((key.len != ETCD_REV_SIZE && !tombstone) || key.p[8] != '_')
		return err_set(e, ERR_FORMAT, "a key of %zu bytes is no revision", key.len);
	const uint64_t main = be64(key.p), sub = be64(key.p + 9);
	if (main > INT64_MAX || sub > INT64_MAX)
		return err_set(e, ERR_FORMAT, "a revision is negative");
	*rev = (struct etcd_rev){ (int64_t)main, (int64_t)sub, tombstone };
	return 0;
}

size_t etcd_rev_write(uint8_t *p, struct etcd_rev rev)
{
	put_be64(p, (uint64_t)rev.main);
	p[8] = '_';
	put_be64(p + 9, (uint64_t)rev.sub);
	if (!rev.tombstone)
		return ETCD_REV_SIZE;
	p[ETCD_REV_SIZE] = 't';
	return ETCD_REV_SIZE + 1;
}

int etcd_rev_compare(struct etcd_rev a, struct etcd_rev b)
{
	if (a.main != b.main)
		return a.main < b.main ? -1 : 1;
	return (a.sub > b.sub) - (a.sub < b.sub);
}

static int take_field(struct etcd_kv *kv, const struct codec_pb_field *f, struct err *e)
{
	const bool bytes = f->number == 1 || f->number == 5;

	if (f->number > 6)
		return 0;
	if (f->wire != (bytes ? CODEC_PB_BYTES : CODEC_PB_VARINT))
		return err_set(
			e, ERR_FORMAT, "field %u of the KeyValue has the wrong type", f->number);
	switch (f->number) {
	case 1:
		kv->key = f->bytes;
		break;
	case 2:
		kv->create = (int64_t)f->value;
		break;
	case 3:
		kv->mod = (int64_t)f->value;
		break;
	case 4:
		kv->version = (int64_t)f->value;
		break;
	case 5:
		kv->value = f->bytes;
		break;
	case 6:
		kv->lease = (int64_t)f->value;
		break;
	}
	return 0;
}

int etcd_kv_parse(struct etcd_kv *kv, struct span bytes, struct err *e)
{
	struct cursor in = { .in = bytes };
	struct codec_pb_field f;
	struct etcd_kv found = { 0 };

	for (;;) {
		if (codec_pb_next(&f, &in, e))
			return err_wrap(e, "KeyValue");
		if (!f.number)
			break;
		if (take_field(&found, &f, e))
			return e->code;
	}
	*kv = found;
	return 0;
}

int etcd_kv_write(struct buf *out, const struct etcd_kv *kv, struct err *e)
{
	struct codec_pb pb = CODEC_PB(out);
	const int64_t numbers[] = { kv->create, kv->mod, kv->version };

	/* proto3: what is zero is not there. */
	if (kv->key.len)
		codec_pb_put_bytes(&pb, 1, kv->key);
	for (uint32_t i = 0; i < 3; i++) {
		if (numbers[i])
			codec_pb_put_u64(&pb, 2 + i, (uint64_t)numbers[i]);
	}
	if (kv->value.len)
		codec_pb_put_bytes(&pb, 5, kv->value);
	if (kv->lease)
		codec_pb_put_u64(&pb, 6, (uint64_t)kv->lease);
	return codec_pb_end(&pb, e);
}

int etcd_meta_u64(struct etcd_number *n, const struct bolt_db *db, struct span key, struct err *e)
{
	CLEAN_BUF struct buf value = BUF(64);
	bool found;

	if (bolt_get(&value, &found, db, ETCD_META, key, e))
		return e->code;
	if (found && value.len != 8)
		return err_set(e, ERR_FORMAT, "meta/%.*s has %zu bytes, not 8", (int)key.len,
			(const char *)key.p, value.len);
	*n = (struct etcd_number){ found ? be64(value.p) : 0, found };
	return 0;
}

static int read_compaction(int64_t *main, const struct bolt_db *db, struct span key, struct err *e)
{
	CLEAN_BUF struct buf value = BUF(64);
	struct etcd_rev rev = { 0 };
	bool found;

	if (bolt_get(&value, &found, db, ETCD_META, key, e))
		return e->code;
	if (found && etcd_rev_parse(&rev, buf_span(&value), e))
		return err_wrap(e, "meta/%.*s", (int)key.len, (const char *)key.p);
	*main = rev.main;
	return 0;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int etcd_revisions_read(struct etcd_revisions *r, const struct bolt_db *db, struct err *e)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct etcd_revisions found = { 0 };
	struct bolt_bucket bucket;
	bool there;

	if (read_compaction(&found.scheduled, db, ETCD_META_SCHEDULED, e) ||
		read_compaction(&found.finished, db, ETCD_META_FINISHED, e) ||
		bolt_bucket_find(&bucket, &there, &slot, db, ETCD_KEY, e))
		return e->code;
	if (there) {
		bolt_cursor_init(&c, db, &bucket);
		if (bolt_cursor_last(&there, &c, e))
			return err_wrap(e, "bucket 'key'");
	}
	if (there && etcd_rev_parse(&found.last, c.key, e))
		return err_wrap(e, "bucket 'key'");
	found.compacted = larger(found.scheduled, found.finished);
	found.current = larger(larger(found.last.main, found.compacted), 1);
	*r = found;
	return 0;
}
