/* `dump snap`: what raft's own snapshot file says. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd/output.h"
#include "codec/json.h"
#include "etcd/snapfile.h"

struct options {
	struct option_common common;
	const char *write_out;
	bool data;
};

static const struct option_row rows[] = {
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple or json (simple)" },
	{ "data", 0, OPTION_FLAG, offsetof(struct options, data), NULL,
		"print the v2 store in it and nothing else" },
	{ 0 },
};

static void add_ids(struct json *j, const char *key, const uint64_t *ids, size_t n)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < n; i++)
		json_text(j, etcd_ident_text(ids[i]).text);
	json_close(j, ']');
}

static int add_json(struct buf *out, const struct etcd_snapfile *file, struct err *e)
{
	const struct etcd_conf_state *c = &file->snapshot.conf_state;
	struct json j = JSON(out);
	char crc[16];

	snprintf(crc, sizeof crc, "%08" PRIx32, file->crc);
	json_open(&j, '{');
	json_key_text(&j, "event", "snap");
	json_key_text(&j, "crc", crc);
	json_key_u64(&j, "term", file->snapshot.term);
	json_key_u64(&j, "index", file->snapshot.index);
	add_ids(&j, "voters", c->voters, c->n_voters);
	add_ids(&j, "learners", c->learners, c->n_learners);
	json_key_bool(&j, "joint", c->joint);
	json_key_u64(&j, "bytes", file->snapshot.data.len);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int add_text(struct buf *out, const struct etcd_snapfile *file, struct err *e)
{
	const struct etcd_conf_state *c = &file->snapshot.conf_state;

	if (buf_print(out, e,
		    "crc       %08" PRIx32 "\nterm      %" PRIu64 "\nindex     %" PRIu64
		    "\nvoters   ",
		    file->crc, file->snapshot.term, file->snapshot.index))
		return e->code;
	for (size_t i = 0; i < c->n_voters; i++) {
		if (buf_print(out, e, " %s", etcd_ident_text(c->voters[i]).text))
			return e->code;
	}
	if (c->n_learners && buf_add_str(out, STR("\nlearners "), e))
		return e->code;
	for (size_t i = 0; i < c->n_learners; i++) {
		if (buf_print(out, e, " %s", etcd_ident_text(c->learners[i]).text))
			return e->code;
	}
	return buf_print(out, e, "%s\nv2 store  %zu bytes\n",
		c->joint ? "\na membership change was under way" : "", file->snapshot.data.len);
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf bytes = BUF(ETCD_SNAPFILE_MAX);
	CLEAN_BUF struct buf out = BUF(ETCD_SNAPFILE_MAX);
	struct etcd_snapfile *file = arena_alloc(app->arena, sizeof *file);
	enum output_format format;

	if (output_parse(&format, app, o->write_out, e) ||
		etcd_snapfile_read(file, &bytes, AT_FDCWD, app->operands[0], e))
		return e->code;
	if (o->data ? buf_add(&out, file->snapshot.data.p, file->snapshot.data.len, e) ||
				buf_add(&out, "\n", 1, e)
		: format == OUTPUT_JSON ? add_json(&out, file, e)
					: add_text(&out, file, e))
		return e->code;
	return app_print(&out, e);
}

const struct applet applet_dump_snap = {
	.name = "dump snap",
	.purpose = "print what a .snap file says",
	.operands = "FILE",
	.about = "FILE is raft's snapshot, member/snap/<term>-<index>.snap, not a snapshot of the\n"
		 "database. Its checksum is compared; --data prints the v2 store, which is JSON.",
	.options = rows,
	.options_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
