/* `keys` and `keys get`: browse a snapshot or a stopped member, no server needed. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/output.h"
#include "codec/json.h"
#include "codec/text.h"
#include "etcd/live.h"
#include "etcd/snapshot.h"

enum { LIST_LIMIT = 1 << 30, OUTPUT_PIECE = 256 * 1024, VALUE_LIMIT = 512 << 20 };

struct options {
	struct option_common common;
	const char *prefix, *write_out;
	uint64_t rev;
};

static const struct option_row list_rows[] = {
	{ "prefix", 0, OPTION_TEXT, offsetof(struct options, prefix), "PREFIX",
		"only keys that begin so" },
	{ "rev", 0, OPTION_U64, offsetof(struct options, rev), "N", "as of this revision" },
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple: the key; fields: with revisions, version, size; json" },
	{ 0 },
};

static const struct option_row get_rows[] = {
	{ "rev", 0, OPTION_U64, offsetof(struct options, rev), "N", "as of this revision" },
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple: the bytes of the value; json: all, in base64" },
	{ 0 },
};

struct row {
	size_t at, len; /* the key in `keys` */
	int64_t create, mod, version, lease;
	size_t value_len;
};

struct listing {
	struct buf keys, rows;
	struct span prefix;
};

static struct span span_of(const char *text)
{
	const struct str s = str_from(text);

	return (struct span){ (const uint8_t *)s.p, s.len };
}

static int add_row(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	struct listing *l = ctx;
	const struct row row = { l->keys.len, kv->key.len, kv->create, kv->mod, kv->version,
		kv->lease, kv->value.len };

	if (!span_starts(kv->key, l->prefix))
		return 0;
	if (buf_add(&l->keys, kv->key.p, kv->key.len, e) || buf_add(&l->rows, &row, sizeof row, e))
		return err_wrap(e, "too many keys to sort; give a --prefix");
	return 0;
}

static int by_key(const void *a, const void *b, void *ctx)
{
	const struct row *x = a, *y = b;
	const uint8_t *keys = ctx;

	return span_compare(
		(struct span){ keys + x->at, x->len }, (struct span){ keys + y->at, y->len });
}

/* Keys are bytes; what would steer a terminal is shown as a JSON string. */
static bool is_plain(struct span key)
{
	for (size_t i = 0; i < key.len; i++) {
		if (key.p[i] < 0x20 || key.p[i] == 0x7F || key.p[i] == '"')
			return false;
	}
	return key.len > 0;
}

static int print_key(struct buf *out, struct span key, struct err *e)
{
	if (is_plain(key))
		return buf_add(out, key.p, key.len, e);
	return codec_text_go_json(out, (struct str){ (const char *)key.p, key.len }, e);
}

static int print_row(struct buf *out, enum output_format format, const struct row *row,
	struct span key, struct err *e)
{
	if (format == OUTPUT_JSON) {
		struct json j = JSON(out);
		json_open(&j, '{');
		json_key_str(&j, "key", (struct str){ (const char *)key.p, key.len });
		json_key_u64(&j, "createRevision", (uint64_t)row->create);
		json_key_u64(&j, "modRevision", (uint64_t)row->mod);
		json_key_u64(&j, "version", (uint64_t)row->version);
		json_key_u64(&j, "lease", (uint64_t)row->lease);
		json_key_u64(&j, "size", row->value_len);
		json_close(&j, '}');
		return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
	}
	if (format != OUTPUT_SIMPLE &&
		buf_print(out, e, "%10" PRId64 " %10" PRId64 " %6" PRId64 " %10zu %16" PRIx64 " ",
			row->create, row->mod, row->version, row->value_len, (uint64_t)row->lease))
		return e->code;
	return print_key(out, key, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_list(struct listing *l, enum output_format format, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(OUTPUT_PIECE + VALUE_LIMIT);
	struct row *rows = (struct row *)(void *)l->rows.p;
	const size_t n = l->rows.len / sizeof *rows;

	if (n)
		qsort_r(rows, n, sizeof *rows, by_key, l->keys.p);
	if ((format == OUTPUT_FIELDS || format == OUTPUT_TABLE) &&
		buf_print(&out, e, "%10s %10s %6s %10s %16s %s\n", "CREATED", "MODIFIED", "VERS",
			"SIZE", "LEASE", "KEY"))
		return e->code;
	for (size_t i = 0; i < n; i++) {
		const struct span key = { l->keys.p + rows[i].at, rows[i].len };
		if (print_row(&out, format, &rows[i], key, e))
			return e->code;
		if (out.len >= OUTPUT_PIECE) {
			if (app_print(&out, e))
				return e->code;
			buf_clear(&out);
		}
	}
	return app_print(&out, e);
}

static int open_file(struct etcd_snapshot_file *file, struct app *app, uint64_t rev, struct err *e)
{
	if (rev > INT64_MAX)
		return err_set(e, ERR_USAGE, "--rev %" PRIu64 " is no revision", rev);
	if (etcd_snapshot_open(file, AT_FDCWD, app->operands[0], e))
		return e->code;
	if (file->busy)
		event_warning(app->listener, "keys",
			"an etcd is running on this file; what is shown may be torn or old");
	else if (file->member)
		event_info(app->listener, "keys",
			"writes that are only in the WAL of this member are not shown");
	return 0;
}

static int run_list(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	struct listing l = { BUF(LIST_LIMIT), BUF(LIST_LIMIT), span_of(o->prefix) };
	struct etcd_live_visitor visitor = { add_row, &l, false };
	enum output_format format;

	if (output_parse(&format, app, o->write_out, e) || open_file(&file, app, o->rev, e))
		return e->code;
	if (etcd_live_walk(&file.db, (int64_t)o->rev, &visitor, e))
		err_wrap(e, "%s", app->operands[0]);
	else
		print_list(&l, format, e);
	buf_free(&l.keys);
	buf_free(&l.rows);
	return e->code;
}

static int print_base64(struct json *j, const char *name, struct span bytes, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(VALUE_LIMIT + VALUE_LIMIT / 2);

	if (codec_text_base64(&text, bytes, e))
		return e->code;
	json_key_str(j, name, buf_text(&text));
	return 0;
}

/* etcdctl's names and base64, so that its readers can read it. */
static int print_kv(struct buf *out, const struct etcd_kv *kv, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	if (print_base64(&j, "key", kv->key, e))
		return e->code;
	json_key_u64(&j, "create_revision", (uint64_t)kv->create);
	json_key_u64(&j, "mod_revision", (uint64_t)kv->mod);
	json_key_u64(&j, "version", (uint64_t)kv->version);
	if (print_base64(&j, "value", kv->value, e))
		return e->code;
	if (kv->lease)
		json_key_u64(&j, "lease", (uint64_t)kv->lease);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int run_get(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_BUF struct buf bytes = BUF(VALUE_LIMIT), out = BUF(2 * (size_t)VALUE_LIMIT);
	struct etcd_live_key key;
	enum output_format format;

	if (output_parse(&format, app, o->write_out, e) || open_file(&file, app, o->rev, e))
		return e->code;
	if (etcd_live_get(&key, &bytes, &file.db, span_of(app->operands[1]), (int64_t)o->rev, e))
		return err_wrap(e, "%s", app->operands[0]);
	if (!key.found)
		return err_set(e, ERR_NOTFOUND, "%s: there is no key '%s'%s", app->operands[0],
			app->operands[1], o->rev ? " at that revision" : "");
	if (format == OUTPUT_JSON) {
		if (print_kv(&out, &key.kv, e))
			return e->code;
	} else if (buf_add(&out, key.kv.value.p, key.kv.value.len, e)) {
		return e->code;
	}
	return app_print(&out, e);
}

const struct applet applet_keys = {
	.name = "keys",
	.purpose = "list the keys of a snapshot or a stopped member",
	.operands = "FILE|DIR",
	.about = "In byte order, one a line. FILE is a snapshot or a copied database, DIR a data\n"
		 "directory.",
	.options = list_rows,
	.options_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_list,
};

const struct applet applet_keys_get = {
	.name = "keys get",
	.purpose = "print the value of one key of a snapshot or a stopped member",
	.operands = "FILE|DIR KEY",
	.options = get_rows,
	.options_size = sizeof(struct options),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_get,
};
