/* `snapshot restore`: etcdutl's flags, and what etcdutl cannot do. */
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/output.h"
#include "cmd/restore_source.h"
#include "cmd/signals.h"
#include "codec/json.h"
#include "etcd/restore.h"
#include "etcd/snapshot.h"
#include "etcd/status.h"
#include "os/file.h"

enum { OUTPUT_LIMIT = 1024 * 1024, DERIVED_LIMIT = 256 * 1024 };

struct options {
	struct option_common common;
	struct source_options source; /* for an address in place of FILE */
	const char *write_out, *data_dir, *wal_dir, *name, *cluster, *token, *advertise, *owner;
	bool skip_hash, mark_compacted, fix_markers, clear_alarms, drop_leases;
	bool from_snapshot, all_members, dry_run;
	uint64_t bump, map_size;
	struct option_list drop_keys, drop_prefixes;
};

#define FIELD(name) offsetof(struct options, name)
static const struct option_row rows[] = {
	{ "data-dir", 0, OPTION_TEXT, FIELD(data_dir), "DIR",
		"where to put the member; must be missing or empty (NAME.etcd)" },
	{ "wal-dir", 0, OPTION_TEXT, FIELD(wal_dir), "DIR", "WAL directory (DATA-DIR/member/wal)" },
	{ "name", 0, OPTION_TEXT, FIELD(name), "NAME", "name of this member (default)" },
	{ "initial-cluster", 0, OPTION_TEXT, FIELD(cluster), "LIST",
		"NAME=URL,... of all members (default=http://localhost:2380)" },
	{ "initial-cluster-token", 0, OPTION_TEXT, FIELD(token), "TOKEN",
		"enters all ids (etcd-cluster)" },
	{ "initial-advertise-peer-urls", 0, OPTION_TEXT, FIELD(advertise), "URLS",
		"this member's; without it the ones of --initial-cluster" },
	{ "skip-hash-check", 0, OPTION_FLAG, FIELD(skip_hash), NULL,
		"for a copied member/snap/db; every page is checked instead" },
	{ "bump-revision", 0, OPTION_U64, FIELD(bump), "N", "raise the revision by N" },
	{ "mark-compacted", 0, OPTION_FLAG, FIELD(mark_compacted), NULL,
		"compact up to the raised revision; goes with --bump-revision" },
	{ "initial-memory-map-size", 0, OPTION_U64, FIELD(map_size), "BYTES",
		"taken and not needed: nothing is mapped" },
	{ "write-out", 'w', OPTION_TEXT, FIELD(write_out), "FORMAT",
		"simple, json, table or fields (simple)" },
	{ "fix-version-markers", 0, OPTION_FLAG, FIELD(fix_markers), NULL,
		"remove storage and cluster version and a pending downgrade" },
	{ "clear-alarms", 0, OPTION_FLAG, FIELD(clear_alarms), NULL, "disarm all alarms" },
	{ "drop-leases", 0, OPTION_FLAG, FIELD(drop_leases), NULL,
		"revoke no key, but forget all leases: their keys stay for good" },
	{ "drop-key", 0, OPTION_LIST, FIELD(drop_keys), "KEY", "delete a key; may be repeated" },
	{ "drop-prefix", 0, OPTION_LIST, FIELD(drop_prefixes), "PREFIX",
		"delete all keys that begin so; may be repeated" },
	{ "members-from-snapshot", 0, OPTION_FLAG, FIELD(from_snapshot), NULL,
		"take --initial-cluster from the snapshot's own members" },
	{ "all-members", 0, OPTION_FLAG, FIELD(all_members), NULL,
		"one directory for each member: DATA-DIR/NAME" },
	{ "owner", 0, OPTION_TEXT, FIELD(owner), "USER[:GROUP]", "owner of all that is made" },
	{ "dry-run", 0, OPTION_FLAG, FIELD(dry_run), NULL,
		"check arguments, target and the whole snapshot; write nothing" },
	SOURCE_OPTION_ROWS,
	{ 0 },
};
#undef FIELD

static int parse_id(unsigned *id, bool *found, const char *text, bool group)
{
	uint64_t number;

	*found = str_u64(&number, str_from(text), 10, UINT32_MAX - 1);
	if (*found) {
		*id = (unsigned)number;
	} else if (group) {
		const struct group *g = getgrnam(text);
		*found = g != NULL;
		*id = g ? g->gr_gid : 0;
	} else {
		const struct passwd *p = getpwnam(text);
		*found = p != NULL;
		*id = p ? p->pw_uid : 0;
	}
	return *found;
}

static int parse_owner(
	struct etcd_datadir_config *place, struct arena *a, const char *text, struct err *e)
{
	struct str user, group;
	bool found;

	if (!text)
		return 0;
	if (!str_cut(&user, &group, str_from(text), ':'))
		group = user;
	if (!parse_id(&place->uid, &found, arena_copy(a, user), false))
		return err_set(e, ERR_USAGE, "--owner %s: no such user", text);
	if (!parse_id(&place->gid, &found, arena_copy(a, group), true)) {
		const struct passwd *p = getpwnam(arena_copy(a, user));
		if (group.p != user.p || !p)
			return err_set(e, ERR_USAGE, "--owner %s: no such group", text);
		place->gid = p->pw_gid;
	}
	place->owned = true;
	return 0;
}

/* --members-from-snapshot: NAME=URL,... out of bucket members. */
static int derive_cluster(
	struct etcd_restore *r, const struct options *o, struct app *app, struct err *e)
{
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_BUF struct buf out = BUF(DERIVED_LIMIT);
	struct etcd_status s;

	if (etcd_snapshot_open(&file, AT_FDCWD, app->operands[0], e))
		return e->code;
	if (etcd_status_brief(&s, app->arena, &file.db, e))
		return err_wrap(e, "%s", app->operands[0]);
	if (!s.n_members)
		return err_set(e, ERR_USAGE,
			"the snapshot names no members; give --initial-cluster instead of "
			"--members-from-snapshot");
	for (const struct etcd_known_member *m = s.members; m; m = m->next) {
		struct str url, urls = m->urls;
		if (!m->name.len)
			return err_set(e, ERR_USAGE,
				"member %s in the snapshot has no name; give --initial-cluster",
				etcd_ident_text(m->id).text);
		while (str_next(&url, &urls, ',')) {
			if (buf_print(&out, e, "%s%.*s=%.*s", out.len ? "," : "", STR_ARG(m->name),
				    STR_ARG(url)))
				return e->code;
		}
	}
	const struct str text = buf_text(&out);
	r->ident.initial_cluster = (struct str){ arena_copy(app->arena, text), text.len };
	if (!o->name && s.n_members == 1)
		r->ident.name = s.members->name;
	event_info(app->listener, "restore", "initial cluster %.*s",
		STR_ARG(r->ident.initial_cluster));
	return 0;
}

static int configure(
	struct etcd_restore *r, const struct options *o, struct app *app, struct err *e)
{
	struct etcd_restore made = {
		.ident = { str_from(o->name ? o->name : ETCD_DEFAULT_NAME),
			str_from(o->cluster ? o->cluster : ETCD_DEFAULT_CLUSTER),
			str_from(o->token ? o->token : ETCD_DEFAULT_TOKEN) },
		.place = { .parent = AT_FDCWD, .data_dir = o->data_dir, .wal_dir = o->wal_dir },
		.all_members = o->all_members,
		.skip_hash_check = o->skip_hash,
		.edits = { .bump = o->bump,
			.mark_compacted = o->mark_compacted,
			.fix_markers = o->fix_markers,
			.clear_alarms = o->clear_alarms,
			.drop_leases = o->drop_leases,
			.drop_keys = o->drop_keys.v,
			.n_drop_keys = o->drop_keys.n,
			.drop_prefixes = o->drop_prefixes.v,
			.n_drop_prefixes = o->drop_prefixes.n },
	};

	if (o->advertise)
		made.ident.advertise = str_from(o->advertise);
	if (o->cluster && o->from_snapshot)
		return err_set(e, ERR_USAGE,
			"--initial-cluster and --members-from-snapshot exclude each other");
	if (o->all_members && (o->name || o->advertise))
		return err_set(e, ERR_USAGE,
			"--all-members takes every name and URL from --initial-cluster; leave out "
			"--name and --initial-advertise-peer-urls");
	if (parse_owner(&made.place, app->arena, o->owner, e))
		return e->code;
	if (o->from_snapshot && derive_cluster(&made, o, app, e))
		return e->code;
	if (!o->data_dir && o->all_members)
		made.place.data_dir = ".";
	else if (!o->data_dir)
		made.place.data_dir =
			arena_print(app->arena, "%.*s.etcd", STR_ARG(made.ident.name));
	*r = made;
	return 0;
}

static int print_json(struct buf *out, const struct etcd_restore_result *result,
	const struct etcd_restore *r, bool dry, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", dry ? "restorable" : "restored");
	json_key_text(&j, "dataDir", r->place.data_dir);
	json_key_text(&j, "clusterID", etcd_ident_text(result->cluster->id).text);
	json_key(&j, "members");
	json_open(&j, '[');
	for (size_t i = 0; i < result->cluster->n_members; i++) {
		const struct etcd_member *m = &result->cluster->members[i];
		json_open(&j, '{');
		json_key_text(&j, "id", etcd_ident_text(m->id).text);
		json_key_str(&j, "name", m->name);
		json_key_bool(&j, "restored", r->all_members || m == result->own);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_key_text(&j, "edits", result->digest);
	json_key_bool(&j, "verified", result->verified);
	json_key_bool(&j, "sameIDs", result->same_ids);
	if (!dry) {
		json_key_u64(&j, "revision", (uint64_t)result->edited.revision);
		json_key_u64(&j, "size", result->db_size);
		json_key_u64(&j, "droppedKeys", result->edited.dropped_keys);
		json_key_u64(&j, "droppedLeases", result->edited.dropped_leases);
		json_key_u64(&j, "clearedAlarms", result->edited.dropped_alarms);
	}
	json_close(&j, '}');
	if (json_end(&j, e))
		return e->code;
	return buf_add(out, "\n", 1, e);
}

/* To stderr, as etcdutl's own words are: what was made and how to start it. */
static void tell(const struct listener *l, const struct etcd_restore_result *result,
	const struct etcd_restore *r)
{
	event_info(l, "restore", "cluster %s, revision %" PRId64 ", edits %.16s",
		etcd_ident_text(result->cluster->id).text, result->edited.revision, result->digest);
	for (size_t i = 0; i < result->cluster->n_members; i++) {
		const struct etcd_member *m = &result->cluster->members[i];
		if (!r->all_members && m != result->own)
			continue;
		event_info(l, "restore", "start it with: etcd --name %.*s --data-dir %s%s%.*s%s%s",
			STR_ARG(m->name), r->place.data_dir, r->all_members ? "/" : "",
			STR_ARG(r->all_members ? m->name : STR("")),
			r->place.wal_dir ? " --wal-dir " : "",
			r->place.wal_dir ? r->place.wal_dir : "");
	}
}

static int is_directory(struct err *e, const char *path)
{
	return err_set(e, ERR_USAGE,
		"%s is a directory; the database of a stopped member is member/snap/db in it, and "
		"needs --skip-hash-check",
		path);
}

static int read_unless_stopped(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	const struct stream *file = ctx;

	return signals_go_on(NULL, e) ? (int)e->code : file->read(file->ctx, got, bytes, room, e);
}

/* All that a restore would find out, without a target. */
static int rehearse(struct etcd_restore_result *result, const struct etcd_restore *r,
	struct app *app, struct err *e)
{
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;

	if (etcd_restore_check(result, app->arena, r, e))
		return e->code;
	if (etcd_snapshot_open(&file, AT_FDCWD, app->operands[0], e))
		return e->code;
	if (file.member)
		return is_directory(e, app->operands[0]);
	if (file.trailer == ETCD_TRAILER_NONE && !r->skip_hash_check) {
		etcd_snapshot_no_trailer(e, file.size, (struct span){ 0 });
		return err_wrap(e, "%s", app->operands[0]);
	}
	if (!r->skip_hash_check && etcd_snapshot_verify(&file, app->listener, e))
		return err_wrap(e, "%s", app->operands[0]);
	result->verified = file.trailer == ETCD_TRAILER_GOOD;
	if (etcd_restore_look(result, &file.db, r, app->listener, e)) {
		if (result->verified)
			etcd_snapshot_was_damaged(e);
		return err_wrap(e, "%s", app->operands[0]);
	}
	return 0;
}

static int restore(struct etcd_restore_result *result, const struct etcd_restore *r,
	struct app *app, struct err *e)
{
	const struct options *o = app->options;
	const char *path = app->operands[0];

	signals_notice();
	if (source_options_is_address(path))
		return restore_source(result, r, app, &o->source, path, e);
	CLOSE_FD int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, "%s", path);
	if (S_ISDIR(st.st_mode))
		return is_directory(e, path);
	struct stream file = etcd_source_file(&fd);
	const struct stream source = { read_unless_stopped, NULL, &file, file.size };
	if (!etcd_restore_run(result, app->arena, r, &source, app->listener, e))
		return 0;
	/* These two are about the snapshot, whatever else can go wrong about the target. */
	return e->code == ERR_FORMAT || e->code == ERR_MISMATCH ? err_wrap(e, "%s", path)
								: (int)e->code;
}

/* etcdutl says 1 for what it finds out beyond the flags themselves. */
static int failed(struct app *app, struct err *e)
{
	app->status = signals_number() ? 128 + signals_number() : 1;
	return e->code;
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	struct etcd_restore_result result = { 0 };
	CLEAN_HELD struct fetch_held held = NO_HELD;
	enum output_format format;
	struct etcd_restore r;

	if (output_one_operand(app, "snapshot restore", e))
		return e->code;
	/* etcdutl does not look at it, and prints nothing to be formatted. */
	if (output_parse(&format, app, o->write_out, e))
		return output_bad_format(app, e);
	if (source_options_is_address(app->operands[0]) && (o->from_snapshot || o->dry_run)) {
		signals_notice();
		if (restore_source_hold(&held, app, &o->source, o->data_dir ? o->data_dir : ".",
			    o->skip_hash, e))
			return failed(app, e);
	}
	if (configure(&r, o, app, e))
		return e->code == ERR_USAGE ? output_bad_args(app, e) : e->code;
	if (etcd_edits_check(&r.edits, e))
		return output_bad_args(app, e);
	r.permit.go_on = signals_go_on;
	if (o->dry_run ? rehearse(&result, &r, app, e) : restore(&result, &r, app, e))
		return failed(app, e);
	if (!o->dry_run)
		tell(app->listener, &result, &r);
	if (format != OUTPUT_JSON)
		return 0;
	return print_json(&out, &result, &r, o->dry_run, e) ? e->code : app_print(&out, e);
}

const struct applet applet_snapshot_restore = {
	.name = "snapshot restore",
	.purpose = "make a member directory out of a snapshot",
	.operands = "FILE|URL",
	.about =
		"Takes the flags of etcdutl and gives the same member directory, in one pass and\n"
		"in little memory. The directory appears whole or not at all; FILE is only read.\n"
		"From a URL, s3: https: sftp: file: and so on, the snapshot that list shows first\n"
		"streams straight into the directory, unpacked and checked on its way.\n"
		"Arguments are wrong: exit status 128 or 1, as with etcdutl.",
	.options = rows,
	.options_size = sizeof(struct options),
	.max_operands = 16,
	.usage_status = 1, /* as etcdutl */
	.run = run,
};
