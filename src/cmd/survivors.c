/* `survivors`: does anybody of the old cluster still answer? */
#include <string.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "cmd/output.h"
#include "codec/json.h"
#include "os/file.h"
#include "plan/survivors.h"

enum { OUTPUT_MAX = 1 << 20, PEM_MAX = 1 << 20, COLUMNS = 4 };

struct options {
	struct option_common common;
	const char *cluster, *token, *name, *old_cluster, *old_id, *ca, *cert, *key, *policy;
	struct option_list committed;
};

static const struct option_row rows[] = {
	{ "initial-cluster", 0, OPTION_TEXT, offsetof(struct options, cluster), "NAME=URL,..",
		"members of the new cluster" },
	{ "initial-cluster-token", 0, OPTION_TEXT, offsetof(struct options, token), "TEXT",
		"its token, which is part of its id" },
	{ "name", 0, OPTION_TEXT, offsetof(struct options, name), "NAME",
		"this node, which is not asked" },
	{ "old-cluster", 0, OPTION_TEXT, offsetof(struct options, old_cluster), "NAME=URL,..",
		"members that the old cluster had, where they are others" },
	{ "old-id", 0, OPTION_TEXT, offsetof(struct options, old_id), "HEX",
		"id of the old cluster" },
	{ "committed", 0, OPTION_LIST, offsetof(struct options, committed), "NAME",
		"a member that the gate says has committed; may be repeated" },
	{ "cacert", 0, OPTION_TEXT, offsetof(struct options, ca), "FILE",
		"the CA of the peers (etcd/ca.crt)" },
	{ "cert", 0, OPTION_TEXT, offsetof(struct options, cert), "FILE",
		"this node's peer certificate (etcd/peer.crt)" },
	{ "key", 0, OPTION_TEXT, offsetof(struct options, key), "FILE", "its key (etcd/peer.key)" },
	{ "survivors", 0, OPTION_TEXT, offsetof(struct options, policy), "WORD",
		"as in the plan: stop, none or proceed (stop)" },
	{ 0 },
};

static int read_file(struct buf *text, struct app *app, const char *name, struct err *e)
{
	char here[4096];

	if (!name)
		return 0;
	if (name[0] != '/' && !getcwd(here, sizeof here))
		return err_sys(e, "this directory");
	return file_read(text, &app->root,
		name[0] == '/' ? name : arena_print(app->arena, "%s/%s", here, name), e);
}

static int read_policy(enum plan_survivors *policy, const char *word, struct err *e)
{
	static const char *const words[] = { "stop", "none", "proceed" };

	for (unsigned i = 0; i < 3; i++) {
		if (!word || !strcmp(word, words[i])) {
			*policy = i;
			return 0;
		}
	}
	return err_set(e, ERR_USAGE, "--survivors %s: there are stop, none and proceed", word);
}

static int print_json(struct buf *out, const struct survivors *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		struct json j = JSON(out);
		json_open(&j, '{');
		json_key_text(&j, "event", "survivors");
		json_key_text(&j, "name", s->v[i].name);
		json_key_text(&j, "url", s->v[i].url);
		json_key_text(&j, "kind", survivors_word(s->v[i].kind));
		json_key_text(&j, "cluster",
			s->v[i].cluster_id ? etcd_ident_text(s->v[i].cluster_id).text : NULL);
		json_key_text(&j, "why", s->v[i].why);
		json_close(&j, '}');
		if (json_end(&j, e) || buf_add(out, "\n", 1, e))
			return e->code;
	}
	return 0;
}

static int print_table(struct buf *out, struct arena *a, const struct survivors *s, struct err *e)
{
	const char **cells = arena_array(a, (s->n + 1) * COLUMNS, sizeof *cells);

	cells[0] = "NAME";
	cells[1] = "URL";
	cells[2] = "WHO";
	cells[3] = "WHY";
	for (size_t i = 0; i < s->n; i++) {
		const char **row = cells + (i + 1) * COLUMNS;
		row[0] = s->v[i].name;
		row[1] = s->v[i].url;
		row[2] = survivors_word(s->v[i].kind);
		row[3] = s->v[i].why;
	}
	if (output_table(out, COLUMNS, s->n + 1, cells, e))
		return e->code;
	output_tame(out);
	return 0;
}

static int ask(struct app *app, const struct survivors_question *q, enum plan_survivors policy,
	struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct survivors s = { 0 };
	struct err why = { 0 };

	const int bad = survivors_check(&s, app->arena, q, policy, e);
	if (o->common.json ? print_json(&out, &s, &why) : print_table(&out, app->arena, &s, &why)) {
		*e = why;
		return e->code;
	}
	if (app_print(&out, &why)) {
		*e = why;
		return e->code;
	}
	return bad;
}

static int survivors_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf ca = BUF(PEM_MAX), cert = BUF(PEM_MAX), key = BUF(PEM_MAX);
	const struct etcd_restore_config config = { str_from(o->name), str_from(o->cluster),
		str_from(o->token), { NULL, 0 } };
	struct kube_members old = { 0 };
	struct etcd_cluster cluster;
	enum plan_survivors policy = PLAN_SURVIVORS_STOP;
	struct survivors_question q = { .cluster = &cluster, .listener = app->listener };

	if (!o->cluster || !o->token || !o->name)
		return err_set(e, ERR_USAGE,
			"--initial-cluster, --initial-cluster-token and --name are wanted");
	if (read_policy(&policy, o->policy, e) ||
		etcd_ident_cluster(&cluster, &q.own, app->arena, &config, e) ||
		read_file(&ca, app, o->ca, e) || read_file(&cert, app, o->cert, e) ||
		read_file(&key, app, o->key, e))
		return e->code;
	if (o->old_id && !str_u64(&q.old_id, str_from(o->old_id), 16, UINT64_MAX))
		return err_set(e, ERR_USAGE, "--old-id %s: is no id of a cluster", o->old_id);
	if (o->old_cluster) {
		kube_read_members(&old, app->arena, str_from(o->old_cluster));
		q.old = &old;
	}
	const char **committed = arena_array(app->arena, o->committed.n + 1, sizeof *committed);
	for (size_t i = 0; i < o->committed.n; i++)
		committed[i] = o->committed.v[i];
	q.committed = committed;
	q.ca = buf_span(&ca);
	q.cert = buf_span(&cert);
	q.key = buf_span(&key);
	const int bad = ask(app, &q, policy, e);
	if (key.p)
		explicit_bzero(key.p, key.room);
	return bad;
}

const struct applet applet_survivors = {
	.name = "survivors",
	.purpose = "ask the other masters whether the old cluster still lives there",
	.about = "Asks every member but this one for /members at its peer address. Somebody of\n"
		 "another cluster is a survivor of the old one, and a restore would make two\n"
		 "clusters of one. run asks by itself before it commits. Status 6: somebody is\n"
		 "there, and --survivors does not allow it.",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = survivors_run,
};
