/* `verify`: a snapshot or a member directory, checked to the last page and record. */
#include <fcntl.h>
#include <inttypes.h>

#include "cmd/output.h"
#include "codec/json.h"
#include "etcd/examine.h"
#include "etcd/ident.h"
#include "etcd/verify.h"

struct options {
	struct option_common common;
	const char *wal_dir, *write_out;
};

static const struct option_row rows[] = {
	{ "wal-dir", 0, OPTION_TEXT, offsetof(struct options, wal_dir), "DIR",
		"where the WAL of a member directory is (DIR/member/wal)" },
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple or json (simple)" },
	{ 0 },
};

static int print_json(struct buf *out, const struct etcd_status *s,
	const struct etcd_snapshot_file *file, const struct etcd_verified *v, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "verified");
	json_key_text(&j, "trailer", file->trailer == ETCD_TRAILER_GOOD ? "good" : "none");
	json_key_u64(&j, "pages", s->tally.pages_used);
	json_key_u64(&j, "entries", s->tally.entries);
	json_key_u64(&j, "hash", s->hash);
	json_key(&j, "revision");
	json_i64(&j, s->revision);
	json_key_u64(&j, "consistentIndex", s->consistent_index);
	json_key_bool(&j, "metaFallback", file->db.other_meta.code != 0);
	if (file->member) {
		json_key_text(&j, "memberID", etcd_ident_text(v->node_id).text);
		json_key_text(&j, "clusterID", etcd_ident_text(v->cluster_id).text);
		json_key_u64(&j, "walRecords", v->records);
		json_key_u64(&j, "lastIndex", v->last_index);
		json_key_u64(&j, "commit", v->commit);
		json_key_u64(&j, "term", v->term);
		json_key_u64(&j, "snapIndex", v->snap_index);
		json_key_bool(&j, "walTorn", v->torn);
	}
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_text(struct buf *out, const char *path, const struct etcd_status *s,
	const struct etcd_snapshot_file *file, const struct etcd_verified *v, struct err *e)
{
	if (buf_print(out, e,
		    "%s: good: %" PRIu64 " pages, %" PRIu64 " entries, revision %" PRId64 "%s\n",
		    path, s->tally.pages_used, s->tally.entries, s->revision,
		    file->trailer == ETCD_TRAILER_GOOD ? ", sha256 right" : ""))
		return e->code;
	if (!file->member)
		return 0;
	return buf_print(out, e,
		"member %s of cluster %s: %" PRIu64 " WAL records up to index %" PRIu64 ", %" PRIu64
		" committed, .snap at %" PRIu64 ", database at %" PRIu64 "\n",
		etcd_ident_text(v->node_id).text, etcd_ident_text(v->cluster_id).text, v->records,
		v->last_index, v->commit, v->snap_index, s->consistent_index);
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_BUF struct buf out = BUF(64 * 1024);
	struct etcd_verified v = { 0 };
	enum output_format format;
	struct etcd_status s;

	if (output_parse(&format, app, o->write_out, e))
		return e->code;
	const char *path = app->operands[0];
	if (etcd_snapshot_open(&file, AT_FDCWD, path, e))
		return e->code;
	if (file.busy)
		return err_set(e, ERR_DECLINED,
			"%s: an etcd is running on it; stop it, or verify a snapshot of it", path);
	if (!file.member && file.trailer == ETCD_TRAILER_NONE)
		event_warning(app->listener, "verify",
			"no sha256 behind the database, so values that were changed cannot be "
			"told");
	/* A server goes on with the other one, and so it is after a power cut. */
	if (file.db.other_meta.code)
		event_warning(app->listener, "verify", "one of the two meta pages is damaged: %s",
			file.db.other_meta.text);
	if (etcd_examine(&s, &file, app->arena, app->listener, e) || etcd_verify_keys(&file.db, e))
		return err_wrap(e, "%s", path);
	if (file.member &&
		etcd_verify_member(&v, app->arena, path, o->wal_dir, &s, app->listener, e))
		return e->code;
	if (format == OUTPUT_JSON ? print_json(&out, &s, &file, &v, e)
				  : print_text(&out, path, &s, &file, &v, e))
		return e->code;
	return app_print(&out, e);
}

const struct applet applet_verify = {
	.name = "verify",
	.purpose = "check a snapshot or a stopped member to the last page and record",
	.operands = "FILE|DIR",
	.about = "Everything etcd and bbolt would check, and what they do not: the SHA-256, every\n"
		 "page and entry, and for a data directory the WAL, the .snap file and the\n"
		 "database against each other. The first defect is named and ends it.",
	.options = rows,
	.options_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
