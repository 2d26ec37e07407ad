/* `dump bolt`: the meta pages of a database, or one page of it. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "bolt/cursor.h"
#include "bolt/freelist.h"
#include "cmd/output.h"
#include "codec/json.h"
#include "etcd/kv.h"
#include "etcd/snapshot.h"

enum { OUT_MAX = 64 << 20, SHOWN_KEY = 200 };

struct options {
	struct option_common common;
	const char *page, *write_out;
};

static const struct option_row rows[] = {
	{ "page", 'p', OPTION_TEXT, offsetof(struct options, page), "ID",
		"this page, with its elements" },
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple or json (simple)" },
	{ 0 },
};

/* A revision as etcd writes it, text as it is, anything else as hex. */
static int key_text(struct buf *out, struct span key, struct err *e)
{
	struct etcd_rev rev;
	struct err no_rev;
	bool plain = true;

	if ((key.len == ETCD_REV_SIZE || key.len == ETCD_REV_SIZE + 1) &&
		!etcd_rev_parse(&rev, key, &no_rev))
		return buf_print(out, e, "%" PRId64 "_%" PRId64 "%s", rev.main, rev.sub,
			rev.tombstone ? "t" : "");
	for (size_t i = 0; i < key.len; i++)
		plain &= key.p[i] > 0x20 && key.p[i] < 0x7f;
	if (plain)
		return buf_add(out, key.p, key.len < SHOWN_KEY ? key.len : SHOWN_KEY, e);
	for (size_t i = 0; i < key.len && i < SHOWN_KEY / 2; i++) {
		if (buf_print(out, e, "%02x", key.p[i]))
			return e->code;
	}
	return 0;
}

static int add_item(struct json *j, const struct bolt_db *db, const struct bolt_page *page,
	unsigned index, struct err *e)
{
	const struct bolt_item item = bolt_page_item(page, index);
	CLEAN_BUF struct buf key = BUF(4 * SHOWN_KEY);
	struct bolt_bucket bucket;

	if (key_text(&key, item.key, e))
		return e->code;
	json_open(j, '{');
	json_key_str(j, "key", buf_text(&key));
	if (page->flags == BOLT_BRANCH) {
		json_key_u64(j, "page", item.child);
	} else if (item.flags & BOLT_ITEM_BUCKET) {
		if (bolt_bucket_parse(&bucket, db, item.key, item.value, e))
			return e->code;
		json_key_u64(j, "root", bucket.root);
		json_key_u64(j, "sequence", bucket.sequence);
		if (!bucket.root)
			json_key_u64(j, "inline", bucket.page.count);
	} else {
		json_key_u64(j, "bytes", item.value.len);
	}
	json_close(j, '}');
	return 0;
}

static int add_page(struct buf *out, const struct bolt_db *db, const struct bolt_page *page,
	bool as_json, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "page");
	json_key_u64(&j, "id", page->id);
	json_key_text(&j, "kind", bolt_kind(page->flags));
	json_key_u64(&j, "count", page->count);
	json_key_u64(&j, "overflow", page->overflow);
	json_key(&j, "items");
	json_open(&j, '[');
	for (unsigned i = 0; page->flags & (BOLT_BRANCH | BOLT_LEAF) && i < page->count; i++) {
		if (!as_json) {
			/* One item a line: the comma goes before the line's end. */
			if (buf_print(out, e, "%s\n  ", i ? "," : ""))
				return e->code;
			j.comma = false;
		}
		if (add_item(&j, db, page, i, e))
			return e->code;
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int add_metas(struct buf *out, const struct etcd_snapshot_file *file, struct err *e)
{
	const struct bolt_db *db = &file->db;
	const struct bolt_meta *m = &db->meta;
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	struct bolt_freelist list;
	struct json j = JSON(out);

	if (bolt_freelist_load(&list, &slot, db, e))
		return e->code;
	json_open(&j, '{');
	json_key_text(&j, "event", "meta");
	json_key_u64(&j, "page", db->meta_page);
	json_key_u64(&j, "pageSize", m->page_size);
	json_key_u64(&j, "root", m->root);
	json_key_u64(&j, "sequence", m->sequence);
	json_key_bool(&j, "freelistStored", m->freelist != BOLT_NO_FREELIST);
	json_key_u64(&j, "freePages", list.count);
	json_key_u64(&j, "pages", m->pgid);
	json_key_u64(&j, "txid", m->txid);
	json_key_u64(&j, "fileBytes", file->size);
	json_key_bool(&j, "trailer", file->trailer != ETCD_TRAILER_NONE);
	json_key_text(&j, "otherMeta", db->other_meta.code ? db->other_meta.text : "valid");
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_BUF struct buf out = BUF(OUT_MAX);
	enum output_format format;
	uint64_t id = 0;

	if (output_parse(&format, app, o->write_out, e))
		return e->code;
	if (o->page && !str_u64(&id, str_from(o->page), 10, UINT64_MAX))
		return err_set(e, ERR_USAGE, "--page %s is no page id", o->page);
	if (o->page && id < 2)
		return err_set(e, ERR_USAGE,
			"page %" PRIu64 " is a meta page, which is shown without --page", id);
	if (etcd_snapshot_open(&file, AT_FDCWD, app->operands[0], e))
		return e->code;
	if (!o->page) {
		if (add_metas(&out, &file, e))
			return err_wrap(e, "%s", app->operands[0]);
		id = file.db.meta.root;
	}
	if (bolt_db_load(&slot, &file.db, id, e) ||
		add_page(&out, &file.db, &slot.page, format == OUTPUT_JSON, e))
		return err_wrap(e, "%s", app->operands[0]);
	return app_print(&out, e);
}

const struct applet applet_dump_bolt = {
	.name = "dump bolt",
	.purpose = "print the meta page and root page of a database, or a page of it",
	.operands = "FILE|DIR",
	.about = "Follow the tree by hand: without --page the newer meta page and the root page,\n"
		 "whose elements name the root page of each bucket; with --page that page. Keys\n"
		 "of 17 or 18 bytes are shown as revisions, what is not text as hex.",
	.options = rows,
	.options_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
