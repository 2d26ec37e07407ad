/* `join`: a node becomes a member of a running cluster, by hand. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "cmd/applets.h"
#include "cmd/signals.h"
#include "codec/json.h"
#include "etcd/ident.h"
#include "etcd/wal.h"
#include "os/file.h"
#include "plan/finish_join.h"

enum { OUTPUT_MAX = 1 << 20, TIMEOUT_S = 900, TIMEOUT_MAX = 7 * 24 * 3600 };

struct options {
	struct option_common common;
	struct option_list seeds, peers;
	const char *name, *data_dir, *ca, *cert, *key, *learner;
	uint64_t timeout;
	bool dry_run;
};

static const struct option_row rows[] = {
	{ "seed", 0, OPTION_LIST, offsetof(struct options, seeds), "URL",
		"a member's address for clients; may be repeated" },
	{ "name", 0, OPTION_TEXT, offsetof(struct options, name), "NAME",
		"of the member that joins" },
	{ "peer", 0, OPTION_LIST, offsetof(struct options, peers), "URL",
		"its address for peers; may be repeated" },
	{ "data-dir", 0, OPTION_TEXT, offsetof(struct options, data_dir), "DIR",
		"its data directory, to see whether it has been a member" },
	{ "ca", 0, OPTION_TEXT, offsetof(struct options, ca), "FILE",
		"the CA of etcd's servers (etcd/ca.crt)" },
	{ "cert", 0, OPTION_TEXT, offsetof(struct options, cert), "FILE",
		"a client's certificate (etcd/healthcheck-client.crt)" },
	{ "key", 0, OPTION_TEXT, offsetof(struct options, key), "FILE", "its key" },
	{ "learner", 0, OPTION_TEXT, offsetof(struct options, learner), "WORD",
		"auto (from 3.4 on), yes or no (auto)" },
	{ "timeout", 0, OPTION_U64, offsetof(struct options, timeout), "SECONDS",
		"how long it may take (900)" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct options, dry_run), NULL,
		"look, and say what would be done" },
	{ 0 },
};

struct job {
	struct app *app;
	struct finish_join *join;
	const char *data_dir;
};

static const char *absolute(struct app *app, const char *name)
{
	char here[4096];

	if (!name || name[0] == '/' || !getcwd(here, sizeof here))
		return name;
	return arena_print(app->arena, "%s/%s", here, name);
}

/* Each may hold several, as etcdctl takes them. */
static struct kube_texts split(struct app *app, const struct option_list *list)
{
	struct kube_texts out = { 0 };

	for (size_t i = 0; i < list->n; i++) {
		struct str rest = str_from(list->v[i]), part;
		while (str_next(&part, &rest, ','))
			kube_add_text(&out, app->arena, arena_copy(app->arena, str_trim(part)));
	}
	return out;
}

static int read_learner(enum join_learner *learner, const char *word, struct err *e)
{
	static const char *const words[] = { "auto", "yes", "no" };

	for (unsigned i = 0; i < 3; i++) {
		if (!word || !strcmp(word, words[i])) {
			*learner = i;
			return 0;
		}
	}
	return err_set(e, ERR_USAGE, "--learner %s: there are auto, yes and no", word);
}

static int check_urls(const struct kube_texts *urls, const char *option, struct err *e)
{
	if (!urls->n)
		return err_set(e, ERR_USAGE, "--%s is wanted", option);
	for (size_t i = 0; i < urls->n; i++) {
		const struct str url = str_from(urls->v[i]);
		if (!str_starts(url, STR("https://")) && !str_starts(url, STR("http://")))
			return err_set(e, ERR_USAGE,
				"--%s %s: an address begins with https:// or http://", option,
				urls->v[i]);
	}
	return 0;
}

/* Who the data directory belongs to; ERR_NOTFOUND: nobody yet. */
static int read_ids(struct etcd_metadata *ids, struct app *app, const char *dir, struct err *e)
{
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	struct arena scratch = ARENA(16 << 20);
	struct etcd_wal_record record;
	CLOSE_FD int fd = -1;

	int bad = root_open_at(&fd, &app->root, arena_print(app->arena, "%s/member/wal", dir),
			  O_RDONLY | O_DIRECTORY, e) ||
		  etcd_wal_open(&wal, fd, &scratch, e);
	while (!bad) {
		bad = etcd_wal_next(&record, &wal, e);
		if (bad || record.type == ETCD_WAL_METADATA)
			break;
		if (record.type == ETCD_WAL_END)
			bad = err_set(e, ERR_FORMAT, "its log does not say whose it is");
	}
	if (!bad)
		etcd_raftpb_read_metadata(ids, record.data, e);
	arena_free(&scratch);
	return e->code;
}

static enum join_data data_of(void *ctx)
{
	const struct job *j = ctx;
	struct etcd_metadata ids;
	struct err e = { 0 };

	if (!j->data_dir)
		return JOIN_DATA_UNKNOWN;
	return read_ids(&ids, j->app, j->data_dir, &e) && e.code == ERR_NOTFOUND ? JOIN_DATA_GONE
										 : JOIN_DATA_THERE;
}

static const struct join_member *find(const struct join_list *list, uint64_t id)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].id == id)
			return &list->v[i];
	}
	return NULL;
}

/* What is there must be this member's, or a start would go on with another one. */
static int check(void *ctx, const struct join_verdict *verdict, struct err *e)
{
	const struct job *j = ctx;
	const struct join_list *list = &j->join->list;
	struct etcd_metadata ids;

	if (!j->data_dir)
		return 0;
	if (read_ids(&ids, j->app, j->data_dir, e))
		return e->code == ERR_NOTFOUND ? err_forgive(e, ERR_NOTFOUND)
					       : err_wrap(e, "%s", j->data_dir);
	const char *member = arena_copy(j->app->arena, str_from(etcd_ident_text(ids.node_id).text));
	const char *theirs =
		arena_copy(j->app->arena, str_from(etcd_ident_text(list->cluster).text));
	if (ids.cluster_id != list->cluster)
		return err_set(e, ERR_DECLINED,
			"%s holds member %s of cluster %s, and the seeds are of cluster %s: etcd "
			"would go on with the old one; move it away (mv %s %s.old), then join",
			j->data_dir, member, etcd_ident_text(ids.cluster_id).text, theirs,
			j->data_dir, j->data_dir);
	if (!find(list, ids.node_id))
		return err_set(e, ERR_DECLINED,
			"%s holds member %s, which has been removed from the cluster: move it "
			"away (mv %s %s.old), then join",
			j->data_dir, member, j->data_dir, j->data_dir);
	if (!verdict->member || verdict->member->id != ids.node_id)
		return err_set(e, ERR_DECLINED,
			"%s holds member %s, whose name and address are others: start it as it "
			"was, or move it away (mv %s %s.old), then join",
			j->data_dir, member, j->data_dir, j->data_dir);
	return 0;
}

static void key_urls(struct json *out, const struct finish_join *join)
{
	json_key(out, "peers");
	json_open(out, '[');
	for (size_t i = 0; i < join->urls.n; i++)
		json_text(out, join->urls.v[i]);
	json_close(out, ']');
}

static const char *joined(struct arena *a, const struct kube_texts *texts)
{
	const char *out = "";

	for (size_t i = 0; i < texts->n; i++)
		out = arena_print(a, "%s%s%s", out, *out ? "," : "", texts->v[i]);
	return out;
}

static int print_settings(struct buf *out, struct arena *a, const struct finish_join *join,
	const char *initial, struct err *e)
{
	const char *urls = joined(a, &join->urls);

	return buf_print(out, e,
		"ETCD_NAME=\"%s\"\nETCD_INITIAL_CLUSTER=\"%s\"\n"
		"ETCD_INITIAL_ADVERTISE_PEER_URLS=\"%s\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n"
		"\n"
		"--name=%s --initial-cluster=%s --initial-advertise-peer-urls=%s "
		"--initial-cluster-state=existing\n",
		join->name, initial, urls, join->name, initial, urls);
}

/* Everything a reader of JSON wants at any point of it. */
static int print_json(struct buf *out, const struct finish_join *join, const char *outcome,
	const char *action, const char *initial, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "join");
	json_key_text(&j, "outcome", outcome);
	if (action)
		json_key_text(&j, "action", action);
	json_key_text(&j, "name", join->name);
	key_urls(&j, join);
	json_key_text(&j, "cluster", join->id ? etcd_ident_text(join->id).text : NULL);
	json_key_text(&j, "member", join->own ? etcd_ident_text(join->own).text : NULL);
	json_key_text(&j, "initial-cluster", initial);
	json_key_bool(&j, "learner", join->learns);
	json_key_bool(&j, "added", join->added);
	json_key_bool(&j, "promoted", join->promoted);
	json_key_u64(&j, "removed", join->removed);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int start(void *ctx, const char *initial, struct err *e)
{
	const struct job *j = ctx;
	const struct options *o = j->app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);

	if (o->common.json ? print_json(&out, j->join, "added", NULL, initial, e)
			   : buf_print(&out, e, "%s is member %s: start its etcd with\n\n",
				     j->join->name, etcd_ident_text(j->join->own).text) ||
				     print_settings(&out, j->app->arena, j->join, initial, e))
		return e->code;
	return app_print(&out, e);
}

/* The members as they would be once ours is added. */
static int would_list(
	const char **initial, struct job *j, const struct join_verdict *v, struct err *e)
{
	const struct join_list *list = &j->join->list;
	struct arena *a = j->app->arena;
	struct join_list with = { list->cluster, arena_array(a, list->n + 1, sizeof *with.v), 0 };
	uint64_t own = v->member ? v->member->id : UINT64_MAX;

	for (size_t i = 0; i < list->n; i++) {
		if (v->what != JOIN_STALE || list->v[i].id != own)
			with.v[with.n++] = list->v[i];
	}
	if (v->what == JOIN_STALE || v->what == JOIN_ADD) {
		own = UINT64_MAX;
		with.v[with.n++] =
			(struct join_member){ .id = own, .name = "", .urls = j->join->urls };
	}
	return join_initial_cluster(initial, a, &with, j->join->name, own, e);
}

static int would(struct job *j, const struct join_verdict *v, struct err *e)
{
	const struct options *o = j->app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	const bool learns = v->member && v->what == JOIN_STARTED && v->member->learner;
	const char *const actions[] = { "add", "start", learns ? "promote" : "nothing", "remove" };
	const char *action = actions[v->what], *initial = NULL;
	const char *as = j->join->learns ? "learner" : "voter", *name = j->join->name;

	if (v->what != JOIN_STARTED && would_list(&initial, j, v, e))
		return e->code;
	j->join->id = j->join->list.cluster;
	if (o->common.json) {
		if (print_json(&out, j->join, "would", action, initial, e))
			return e->code;
		return app_print(&out, e);
	}
	switch (v->what) {
	case JOIN_ADD:
		buf_print(&out, e, "would add %s as a %s, to be started with\n\n", name, as);
		break;
	case JOIN_STALE:
		buf_print(&out, e,
			"would remove member %s, which has its name or address, unless it answers, "
			"and add\n%s as a %s, to be started with\n\n",
			etcd_ident_text(v->member->id).text, name, as);
		break;
	case JOIN_ADDED:
		buf_print(&out, e, "%s is added already, and is to be started with\n\n", name);
		break;
	default:
		buf_print(&out, e,
			learns ? "%s has started and learns; would promote it\n"
			       : "%s is a member already\n",
			name);
	}
	if (e->code || (initial && print_settings(&out, j->app->arena, j->join, initial, e)))
		return e->code;
	return app_print(&out, e);
}

static int go(struct job *j, struct err *e)
{
	const struct options *o = j->app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct finish_join *join = j->join;

	signals_notice();
	if (finish_join(join, e))
		return e->code;
	if (o->common.json ? print_json(&out, join, "joined", NULL, join->told, e)
			   : buf_print(&out, e, "%s is member %s of cluster %s, and votes\n",
				     join->name, etcd_ident_text(join->own).text,
				     arena_copy(j->app->arena,
					     str_from(etcd_ident_text(join->id).text))))
		return e->code;
	return app_print(&out, e);
}

static int join_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	const uint64_t seconds = o->timeout ? o->timeout : TIMEOUT_S;
	struct finish_cluster cluster = { .what = "etcd",
		.seeds = split(app, &o->seeds),
		.urls = split(app, &o->peers),
		.ca = absolute(app, o->ca),
		.cert = absolute(app, o->cert),
		.key = absolute(app, o->key ? o->key : o->cert) };
	struct finish_join join = { .arena = app->arena,
		.root = &app->root,
		.listener = app->listener,
		.cluster = &cluster,
		.name = o->name,
		.data = data_of,
		.wait = { .stopped = signals_go_on },
		.start = start };
	struct job j = { app, &join, absolute(app, o->data_dir) };
	struct join_verdict verdict;

	join.ctx = &j;
	if (!o->name || !*o->name)
		return err_set(e, ERR_USAGE, "--name is wanted");
	if (seconds > TIMEOUT_MAX)
		return err_set(e, ERR_USAGE, "--timeout: more than a week");
	if (check_urls(&cluster.seeds, "seed", e) || check_urls(&cluster.urls, "peer", e) ||
		read_learner(&join.learner, o->learner, e))
		return e->code;
	join.wait.deadline_ms = monotonic_ms() + (int64_t)seconds * 1000;
	join.check = check;
	return o->dry_run ? finish_join_look(&verdict, &join, e) || would(&j, &verdict, e)
			  : go(&j, e);
}

const struct applet applet_join = {
	.name = "join",
	.purpose = "make this node a member of a running cluster",
	.about = "Adds a member through the seeds' gateway, under a lock so that one node at a\n"
		 "time does: as a learner where the cluster is 3.4 or newer. Prints what its etcd\n"
		 "is to be started with, waits until it has started, and promotes it. A member\n"
		 "with the same name or address that does not answer, and whose data are gone, is\n"
		 "removed first. May be called again at any time: it goes on with what is left.\n"
		 "Status 6: refused, with what to do.",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = join_run,
};
