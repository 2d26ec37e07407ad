/* `snapshot status`: etcdutl's line, and what else the snapshot says about its cluster. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd/output.h"
#include "codec/json.h"
#include "etcd/examine.h"
#include "etcd/ident.h"

enum { OUTPUT_LIMIT = 16 * 1024 * 1024 };

struct options {
	struct option_common common;
	const char *write_out;
};

static const struct option_row rows[] = {
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple, json, table or fields (simple)" },
	{ 0 },
};

static const char *trailer_word(enum etcd_trailer trailer)
{
	return trailer == ETCD_TRAILER_GOOD ? "good" : "none";
}

static void print_members(struct json *j, const struct etcd_status *s)
{
	json_key(j, "members");
	json_open(j, '[');
	for (const struct etcd_known_member *m = s->members; m; m = m->next) {
		json_open(j, '{');
		json_key_text(j, "id", etcd_ident_text(m->id).text);
		json_key_str(j, "name", m->name);
		json_key_str(j, "peerURLs", m->urls);
		json_key_str(j, "clientURLs", m->client_urls);
		json_key_bool(j, "learner", m->learner);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key(j, "removedMembers");
	json_open(j, '[');
	for (const struct etcd_removed *r = s->removed; r; r = r->next)
		json_str(j, r->id);
	json_close(j, ']');
	json_key(j, "alarms");
	json_open(j, '[');
	for (const struct etcd_alarm *a = s->alarms; a; a = a->next) {
		json_open(j, '{');
		json_key_text(j, "member", etcd_ident_text(a->member).text);
		json_key_text(j, "alarm", etcd_alarm_word(a->kind));
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* etcdutl's fields come first and keep their names; ours follow. */
static int print_json(struct buf *out, const struct etcd_status *s,
	const struct etcd_snapshot_file *file, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_u64(&j, "hash", s->hash);
	json_key(&j, "revision");
	json_i64(&j, s->revision);
	json_key_u64(&j, "totalKey", s->live_keys);
	json_key_u64(&j, "totalSize", s->size);
	json_key_str(&j, "version", s->storage_version);
	json_key_text(&j, "trailer", trailer_word(file->trailer));
	json_key_u64(&j, "fileSize", file->size);
	json_key_u64(&j, "pageSize", file->db.meta.page_size);
	json_key_u64(&j, "entries", s->entries);
	json_key_u64(&j, "freePages", s->tally.pages_free);
	json_key(&j, "compactRevision");
	json_i64(&j, s->compacted);
	json_key_u64(&j, "consistentIndex", s->consistent_index);
	json_key_u64(&j, "term", s->term);
	json_key_bool(&j, "authEnabled", s->auth_enabled);
	json_key_u64(&j, "users", s->users);
	json_key_u64(&j, "roles", s->roles);
	json_key_u64(&j, "leases", s->leases);
	json_key_u64(&j, "learners", s->n_learners);
	json_key_str(&j, "clusterVersion", s->cluster_version);
	json_key_str(&j, "downgrade", s->downgrade);
	json_key_bool(&j, "metaFallback", file->db.other_meta.code != 0);
	print_members(&j, s);
	json_close(&j, '}');
	if (json_end(&j, e))
		return e->code;
	return buf_add(out, "\n", 1, e);
}

static int print_text(
	struct buf *out, enum output_format format, const struct etcd_status *s, struct err *e)
{
	char hash[16], revision[24], keys[24], version[64];
	const struct output_size size = output_size(s->size);

	if (format == OUTPUT_FIELDS)
		return buf_print(out, e,
			"\"Hash\" : %" PRIu32 "\n\"Revision\" : %" PRId64 "\n\"Keys\" : %" PRIu64
			"\n\"Size\" : %" PRIu64 "\n\"Version\" : %.*s\n",
			s->hash, s->revision, s->live_keys, s->size, STR_ARG(s->storage_version));
	snprintf(hash, sizeof hash, "%" PRIx32, s->hash);
	snprintf(revision, sizeof revision, "%" PRId64, s->revision);
	snprintf(keys, sizeof keys, "%" PRIu64, s->live_keys);
	snprintf(version, sizeof version, "%.*s", STR_ARG(s->storage_version));
	if (format == OUTPUT_SIMPLE)
		return buf_print(
			out, e, "%s, %s, %s, %s, %s\n", hash, revision, keys, size.text, version);
	const char *const cells[] = { "HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION",
		hash, revision, keys, size.text, version };
	return output_table(out, 5, 1, cells, e);
}

/* What the five figures do not tell, to stderr. */
static void tell(const struct listener *l, const struct etcd_status *s,
	const struct etcd_snapshot_file *file)
{
	static const char step[] = "status";

	if (file->trailer == ETCD_TRAILER_GOOD)
		event_info(l, step, "the sha256 behind the database is right");
	else if (!file->member)
		event_warning(l, step,
			"no sha256 behind the database: a copied member/snap/db; restore it with "
			"--skip-hash-check");
	if (file->busy)
		event_warning(l, step, "an etcd is running on this file; it may change meanwhile");
	if (file->db.other_meta.code)
		event_warning(l, step, "one of the two meta pages is damaged: %s",
			file->db.other_meta.text);
	for (const struct etcd_known_member *m = s->members; m; m = m->next)
		event_info(l, step, "member %s %.*s %.*s%s", etcd_ident_text(m->id).text,
			STR_ARG(m->name), STR_ARG(m->urls),
			m->learner ? " (learner; a restore makes it a voter)" : "");
	if (s->n_removed)
		event_info(l, step, "%zu members were removed from the cluster", s->n_removed);
	for (const struct etcd_alarm *a = s->alarms; a; a = a->next)
		event_warning(l, step,
			"alarm %s of member %s is active and stays so after a restore, unless "
			"--clear-alarms is given",
			etcd_alarm_word(a->kind), etcd_ident_text(a->member).text);
	if (s->auth_enabled)
		event_warning(l, step,
			"auth is enabled, with %" PRIu64 " users and %" PRIu64
			" roles; the root password of that time is needed",
			s->users, s->roles);
	if (s->leases)
		event_info(l, step, "%" PRIu64 " leases", s->leases);
	if (s->cluster_version.len || s->storage_version.len)
		event_info(l, step, "cluster version %.*s, storage version %.*s",
			STR_ARG(s->cluster_version.len ? s->cluster_version : STR("not set")),
			STR_ARG(s->storage_version.len ? s->storage_version : STR("not set")));
	if (s->downgrade.len)
		event_warning(l, step,
			"a downgrade was under way: %.*s; --fix-version-markers removes it",
			STR_ARG(s->downgrade));
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	enum output_format format;
	struct etcd_status status;

	if (output_one_operand(app, "snapshot status", e))
		return e->code;
	if (output_parse(&format, app, o->write_out, e))
		return output_bad_format(app, e);
	const char *path = app->operands[0];
	if (etcd_snapshot_open(&file, AT_FDCWD, path, e))
		return e->code;
	if (etcd_examine(&status, &file, app->arena, app->listener, e))
		return err_wrap(e, "%s", path);
	tell(app->listener, &status, &file);
	if (format == OUTPUT_JSON ? print_json(&out, &status, &file, e)
				  : print_text(&out, format, &status, e))
		return e->code;
	output_tame(&out);
	return app_print(&out, e);
}

const struct applet applet_snapshot_status = {
	.name = "snapshot status",
	.purpose = "check a snapshot and tell what is in it",
	.operands = "FILE",
	.about = "Prints hash, revision, live keys and size as etcdutl 3.6 does, after the whole\n"
		 "file was checked: the SHA-256 behind the database, which etcdutl ignores, and\n"
		 "every page. Members, alarms, leases, auth and versions go to standard error,\n"
		 "and with -w json into the object. FILE may also be a copied database or a data\n"
		 "directory.",
	.options = rows,
	.options_size = sizeof(struct options),
	.max_operands = 16,
	.usage_status = 1, /* as etcdutl */
	.run = run,
};
