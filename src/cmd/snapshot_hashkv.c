/* `snapshot hashkv`: etcdutl's hashkv, on a file that is only read. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd/output.h"
#include "codec/json.h"
#include "etcd/hashkv.h"
#include "etcd/snapshot.h"

struct options {
	struct option_common common;
	const char *write_out;
	uint64_t rev;
};

static const struct option_row rows[] = {
	{ "rev", 0, OPTION_U64, offsetof(struct options, rev), "N",
		"up to this revision (the latest)" },
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple, json, table or fields (simple)" },
	{ 0 },
};

static int print_json(struct buf *out, const struct etcd_hashkv *h, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_u64(&j, "hash", h->hash);
	json_key(&j, "hashRevision");
	json_i64(&j, h->revision);
	json_key(&j, "compactRevision");
	json_i64(&j, h->compacted);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print(
	struct buf *out, enum output_format format, const struct etcd_hashkv *h, struct err *e)
{
	char hash[16], revision[24], compacted[24];

	if (format == OUTPUT_JSON)
		return print_json(out, h, e);
	snprintf(hash, sizeof hash, "%" PRIu32, h->hash);
	snprintf(revision, sizeof revision, "%" PRId64, h->revision);
	snprintf(compacted, sizeof compacted, "%" PRId64, h->compacted);
	if (format == OUTPUT_FIELDS)
		return buf_print(out, e,
			"\"Hash\" : %s\n\"Hash revision\" : %s\n\"Compact revision\" : %s\n", hash,
			revision, compacted);
	if (format == OUTPUT_SIMPLE)
		return buf_print(out, e, "%s, %s, %s\n", hash, revision, compacted);
	const char *const cells[] = { "HASH", "HASH REVISION", "COMPACT REVISION", hash, revision,
		compacted };
	return output_table(out, 3, 1, cells, e);
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_BUF struct buf out = BUF(64 * 1024);
	enum output_format format;
	struct etcd_hashkv hash;

	if (output_one_operand(app, "hashkv", e))
		return e->code;
	if (output_parse(&format, app, o->write_out, e))
		return output_bad_format(app, e);
	if (o->rev > INT64_MAX)
		return err_set(e, ERR_USAGE, "--rev %" PRIu64 " is no revision", o->rev);
	if (etcd_snapshot_open(&file, AT_FDCWD, app->operands[0], e))
		return e->code;
	if (etcd_hashkv_read(&hash, &file.db, (int64_t)o->rev, e))
		return err_wrap(e, "%s", app->operands[0]);
	return print(&out, format, &hash, e) ? e->code : app_print(&out, e);
}

const struct applet applet_snapshot_hashkv = {
	.name = "snapshot hashkv",
	.purpose = "compute the hash that `etcdctl endpoint hashkv` gives",
	.operands = "FILE",
	.about =
		"Hash, revision and last compaction, as `etcdutl hashkv` prints them; but FILE is\n"
		"only read, and may hold leases. A restore without edits keeps this hash.",
	.options = rows,
	.options_size = sizeof(struct options),
	.max_operands = 16,
	.usage_status = 1, /* as etcdutl */
	.run = run,
};
