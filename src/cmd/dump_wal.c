/* `dump wal`: every record of a write-ahead log, as it stands there. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/output.h"
#include "codec/json.h"
#include "codec/pb.h"
#include "etcd/wal.h"
#include "os/file.h"

enum { OUT_MAX = 1 << 20, FLUSH = 64 * 1024, SHOWN_KEY = 200 };

struct options {
	struct option_common common;
	const char *write_out;
};

static const struct option_row rows[] = {
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple or json, one object a line (simple)" },
	{ 0 },
};

/* What an entry asks etcd to do (raft_internal.proto, InternalRaftRequest). */
struct request {
	const char *word;
	struct span key; /* of a put or a deletion */
};

static const struct {
	uint32_t field;
	const char *word;
} requests[] = {
	{ 2, "v2 request" },
	{ 3, "range" },
	{ 4, "put" },
	{ 5, "delete" },
	{ 6, "transaction" },
	{ 7, "compaction" },
	{ 8, "lease grant" },
	{ 9, "lease revoke" },
	{ 10, "alarm" },
	{ 11, "lease checkpoint" },
	{ 1000, "auth enable" },
	{ 1011, "auth disable" },
	{ 1012, "authenticate" },
	{ 1013, "auth status" },
	{ 1100, "user add" },
	{ 1101, "user delete" },
	{ 1102, "user get" },
	{ 1103, "user change password" },
	{ 1104, "user grant role" },
	{ 1105, "user revoke role" },
	{ 1106, "user list" },
	{ 1107, "role list" },
	{ 1200, "role add" },
	{ 1201, "role delete" },
	{ 1202, "role get" },
	{ 1203, "role grant permission" },
	{ 1204, "role revoke permission" },
	{ 1300, "cluster version" },
	{ 1301, "cluster member attributes" },
	{ 1302, "downgrade info" },
};

static struct request request_of(const struct etcd_entry *entry)
{
	static const char *const changes[] = { "add node", "remove node", "update node",
		"add learner" };
	const bool change = entry->type == ETCD_ENTRY_CONF_CHANGE;
	struct request r = { entry->type == ETCD_ENTRY_NORMAL ? "request"
			     : change                         ? changes[0]
							      : "membership change",
		{ NULL, 0 } };
	struct cursor in = { .in = entry->data };
	struct codec_pb_field f;
	struct err ignored;

	if (!entry->data.len && entry->type == ETCD_ENTRY_NORMAL)
		r.word = "nothing, a leader's first";
	while (!codec_pb_next(&f, &in, &ignored) && f.number) {
		if (change && f.number == 2 && f.value < 4)
			r.word = changes[f.value];
		if (change && f.number == 4)
			r.key = f.bytes;
		for (size_t i = 0;
			entry->type == ETCD_ENTRY_NORMAL && i < sizeof requests / sizeof *requests;
			i++) {
			if (f.number != requests[i].field || f.wire != CODEC_PB_BYTES)
				continue;
			r.word = requests[i].word;
			struct cursor inner = { .in = f.bytes };
			struct codec_pb_field key;

			if ((f.number == 4 || f.number == 5) &&
				!codec_pb_next(&key, &inner, &ignored) && key.number == 1)
				r.key = key.bytes;
		}
	}
	return r;
}

static struct str shown(struct span key)
{
	return (struct str){ (const char *)key.p, key.len < SHOWN_KEY ? key.len : SHOWN_KEY };
}

static void add_voters(struct json *j, const struct etcd_conf_state *c)
{
	json_key(j, "voters");
	json_open(j, '[');
	for (size_t i = 0; i < c->n_voters; i++)
		json_text(j, etcd_ident_text(c->voters[i]).text);
	json_close(j, ']');
	json_key(j, "learners");
	json_open(j, '[');
	for (size_t i = 0; i < c->n_learners; i++)
		json_text(j, etcd_ident_text(c->learners[i]).text);
	json_close(j, ']');
}

/* The record's own fields; a text line is the same object without brackets and quotes. */
static int add_fields(struct json *j, const struct etcd_wal_record *record, struct err *e)
{
	struct etcd_wal_snapshot snapshot;
	struct etcd_metadata metadata;
	struct etcd_hard_state state;
	struct etcd_entry entry;

	switch (record->type) {
	case ETCD_WAL_METADATA:
		if (etcd_raftpb_read_metadata(&metadata, record->data, e))
			return e->code;
		json_key_text(j, "member", etcd_ident_text(metadata.node_id).text);
		json_key_text(j, "cluster", etcd_ident_text(metadata.cluster_id).text);
		return 0;
	case ETCD_WAL_ENTRY: {
		if (etcd_raftpb_read_entry(&entry, record->data, e))
			return e->code;
		const struct request r = request_of(&entry);

		json_key_u64(j, "index", entry.index);
		json_key_u64(j, "term", entry.term);
		json_key_u64(j, "bytes", entry.data.len);
		json_key_text(j, "what", r.word);
		if (r.key.len)
			json_key_str(j, "key", shown(r.key));
		return 0;
	}
	case ETCD_WAL_STATE:
		if (etcd_raftpb_read_hard_state(&state, record->data, e))
			return e->code;
		json_key_u64(j, "term", state.term);
		json_key_text(j, "vote", etcd_ident_text(state.vote).text);
		json_key_u64(j, "commit", state.commit);
		return 0;
	case ETCD_WAL_SNAPSHOT:
		if (etcd_raftpb_read_wal_snapshot(&snapshot, record->data, e))
			return e->code;
		json_key_u64(j, "index", snapshot.index);
		json_key_u64(j, "term", snapshot.term);
		if (snapshot.has_conf_state)
			add_voters(j, &snapshot.conf_state);
		return 0;
	case ETCD_WAL_CRC:
	case ETCD_WAL_END:
		break;
	}
	return 0;
}

static int add_json(struct buf *out, const struct etcd_wal_record *record, struct err *e)
{
	struct json j = JSON(out);
	char crc[16];

	snprintf(crc, sizeof crc, "%08" PRIx32, record->crc);
	json_open(&j, '{');
	json_key_text(&j, "event", "record");
	json_key_text(&j, "segment", record->segment);
	json_key_u64(&j, "at", record->at);
	json_key_text(&j, "type", etcd_wal_type_word(record->type));
	json_key_text(&j, "crc", crc);
	if (add_fields(&j, record, e))
		return e->code;
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int add_text(struct buf *out, const struct etcd_wal_record *record, struct err *e)
{
	CLEAN_BUF struct buf fields = BUF(OUT_MAX);
	struct json j = JSON(&fields);

	if (buf_print(out, e, "%10" PRIu64 "  %-8s  %08" PRIx32 "  ", record->at,
		    etcd_wal_type_word(record->type), record->crc) ||
		add_fields(&j, record, e) || json_end(&j, e) ||
		buf_add_str(out, buf_text(&fields), e))
		return e->code;
	return buf_add(out, "\n", 1, e);
}

/* A data directory, a WAL directory, or one segment. */
static int open_wal(
	struct etcd_wal_reader *wal, int *dir, struct arena *a, const char *path, struct err *e)
{
	static const char *const places[] = { "member/wal", "wal", "." };
	struct stat st;

	if (stat(path, &st))
		return err_sys(e, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		const char *slash = strrchr(path, '/');
		const char *folder =
			slash ? arena_copy(a, (struct str){ path, (size_t)(slash - path) + 1 })
			      : ".";

		*dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return *dir < 0 ? err_sys(e, "%s", folder)
				: etcd_wal_open_file(wal, *dir, slash ? slash + 1 : path, a, e);
	}
	for (size_t i = 0; i < sizeof places / sizeof *places && *dir < 0; i++)
		*dir = open(arena_print(a, "%s/%s", path, places[i]),
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return err_sys(e, "%s", path);
	return etcd_wal_open(wal, *dir, a, e) ? err_wrap(e, "%s", path) : 0;
}

static int dump(
	struct buf *out, struct etcd_wal_reader *wal, bool as_json, struct app *app, struct err *e)
{
	const char *segment = NULL;
	struct etcd_wal_record r;

	for (;;) {
		if (etcd_wal_next(&r, wal, e))
			return e->code;
		if (r.type == ETCD_WAL_END)
			break;
		if (!as_json && r.segment != segment && buf_print(out, e, "%s\n", r.segment))
			return e->code;
		segment = r.segment;
		if (as_json ? add_json(out, &r, e) : add_text(out, &r, e))
			return err_wrap(e, "%s: record at byte %" PRIu64, r.segment, r.at);
		if (out->len > FLUSH) {
			if (app_print(out, e))
				return e->code;
			buf_clear(out);
		}
	}
	if (wal->torn)
		event_warning(app->listener, "dump",
			"the last record, at byte %" PRIu64 ", is torn, and etcd drops it: %s",
			wal->at, wal->torn_why);
	return 0;
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	CLEAN_BUF struct buf out = BUF(2 * OUT_MAX);
	CLOSE_FD int dir = -1;
	enum output_format format;

	if (output_parse(&format, app, o->write_out, e) ||
		open_wal(&wal, &dir, app->arena, app->operands[0], e))
		return e->code;
	if (dump(&out, &wal, format == OUTPUT_JSON, app, e)) {
		/* What is before the damage helps to judge it. */
		struct err ignored;

		app_print(&out, &ignored);
		return err_wrap(e, "%s", app->operands[0]);
	}
	return app_print(&out, e);
}

const struct applet applet_dump_wal = {
	.name = "dump wal",
	.purpose = "print the records of a write-ahead log",
	.operands = "DIR|FILE",
	.about = "Each record with its byte, type and checksum, and what it says. DIR is a data\n"
		 "directory or its WAL directory, FILE a single segment. A record that is wrong\n"
		 "is named and ends it; a torn one at the very end is what etcd drops.",
	.options = rows,
	.options_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
