/* `snapshot inspect`: which cluster is this, what was in it, and when. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd/output.h"
#include "cmd/preview.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "etcd/ident.h"
#include "etcd/snapshot.h"
#include "etcd/status.h"

enum { OUTPUT_LIMIT = 64 * 1024 * 1024 };

struct options {
	struct option_common common;
	const char *write_out;
	uint64_t rev;
	bool all;
};

static const struct option_row rows[] = {
	{ "rev", 0, OPTION_U64, offsetof(struct options, rev), "N", "as of this revision" },
	{ "all", 'a', OPTION_FLAG, offsetof(struct options, all), NULL,
		"every kind and name, not just the first ones" },
	{ "write-out", 'w', OPTION_TEXT, offsetof(struct options, write_out), "FORMAT",
		"simple or json (simple)" },
	{ 0 },
};

struct time_text {
	char text[RFC3339_SIZE];
};

static struct time_text when(int64_t seconds)
{
	struct time_text t = { "unknown" };

	if (seconds > 0)
		rfc3339_format(t.text, seconds);
	return t;
}

static int print_names(struct buf *out, const char *title, const struct preview_list *list,
	bool all, struct err *e)
{
	size_t shown = 0;

	if (buf_print(out, e, "%s: %zu\n", title, list->n))
		return e->code;
	for (const struct preview_name *n = list->first; n; n = n->next) {
		if (!all && shown++ == 12)
			return buf_print(out, e, "  ... --all shows the other %zu\n", list->n - 12);
		if (buf_print(out, e, "  %.*s", STR_ARG(n->name)))
			return e->code;
		if (n->time > 0 && buf_print(out, e, "  %s", when(n->time).text))
			return e->code;
		if (n->holder.len && buf_print(out, e, "  %.*s", STR_ARG(n->holder)))
			return e->code;
		if (buf_add(out, "\n", 1, e))
			return e->code;
	}
	return 0;
}

static int print_groups(struct buf *out, const struct preview *p, bool all, struct err *e)
{
	size_t shown = 0;

	if (buf_print(out, e, "%10s %9s  %-24s %s\n", "OBJECTS", "SIZE", "KIND", "RESOURCE"))
		return e->code;
	for (const struct preview_group *g = p->groups; g; g = g->next) {
		if (!all && shown++ == 25)
			return buf_print(
				out, e, "  ... --all shows the other %zu\n", p->n_groups - 25);
		if (buf_print(out, e, "%10" PRIu64 " %9s  %-24.*s %.*s\n", g->n,
			    output_size(g->bytes).text, STR_ARG(g->kind.len ? g->kind : STR("-")),
			    STR_ARG(g->resource)))
			return e->code;
	}
	return 0;
}

static int print_secrets(struct buf *out, const struct preview *p, struct err *e)
{
	if (p->secrets && buf_add_str(out, STR("secrets:\n"), e))
		return e->code;
	for (const struct preview_secret *s = p->secrets; s; s = s->next) {
		if (s->provider.len
				? buf_print(out, e,
					  "  %" PRIu64 " encrypted by %.*s with key %.*s; the API "
					  "server needs that key\n",
					  s->n, STR_ARG(s->provider), STR_ARG(s->key_name))
				: buf_print(out, e, "  %" PRIu64 " not encrypted\n", s->n))
			return e->code;
	}
	return 0;
}

static int print_text(struct buf *out, const struct preview *p, const struct etcd_status *s,
	bool all, struct err *e)
{
	if (buf_print(out, e, "revision %" PRId64 ", %" PRIu64 " keys, %s\n", s->revision, p->keys,
		    output_size(p->bytes).text))
		return e->code;
	if (buf_print(out, e, "etcd members: %zu\n", s->n_members))
		return e->code;
	for (const struct etcd_known_member *m = s->members; m; m = m->next) {
		if (buf_print(out, e, "  %s %.*s %.*s%s\n", etcd_ident_text(m->id).text,
			    STR_ARG(m->name), STR_ARG(m->urls), m->learner ? " (learner)" : ""))
			return e->code;
	}
	if (p->newest && buf_print(out, e, "newest object: %s %.*s\n", when(p->newest).text,
				 STR_ARG(p->newest_key)))
		return e->code;
	if (p->kubernetes &&
		(print_names(out, "API server leases", &p->apiservers, all, e) ||
			print_names(out, "API server addresses", &p->masterleases, all, e) ||
			print_names(out, "nodes", &p->nodes, all, e) ||
			print_names(out, "namespaces", &p->namespaces, all, e)))
		return e->code;
	return print_secrets(out, p, e) ? e->code : print_groups(out, p, all, e);
}

static void json_names(struct json *j, const char *key, const struct preview_list *list)
{
	json_key(j, key);
	json_open(j, '[');
	for (const struct preview_name *n = list->first; n; n = n->next) {
		json_open(j, '{');
		json_key_str(j, "name", n->name);
		if (n->time > 0)
			json_key_text(j, "time", when(n->time).text);
		if (n->holder.len)
			json_key_str(j, "holder", n->holder);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void json_groups(struct json *j, const struct preview *p)
{
	json_key(j, "resources");
	json_open(j, '[');
	for (const struct preview_group *g = p->groups; g; g = g->next) {
		json_open(j, '{');
		json_key_str(j, "resource", g->resource);
		json_key_str(j, "apiVersion", g->api_version);
		json_key_str(j, "kind", g->kind);
		json_key_u64(j, "objects", g->n);
		json_key_u64(j, "bytes", g->bytes);
		if (g->newest > 0)
			json_key_text(j, "newest", when(g->newest).text);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key(j, "secrets");
	json_open(j, '[');
	for (const struct preview_secret *s = p->secrets; s; s = s->next) {
		json_open(j, '{');
		json_key_bool(j, "encrypted", s->provider.len > 0);
		json_key_str(j, "provider", s->provider);
		json_key_str(j, "key", s->key_name);
		json_key_u64(j, "objects", s->n);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static int print_json(
	struct buf *out, const struct preview *p, const struct etcd_status *s, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key(&j, "revision");
	json_i64(&j, s->revision);
	json_key_u64(&j, "keys", p->keys);
	json_key_u64(&j, "bytes", p->bytes);
	json_key_bool(&j, "kubernetes", p->kubernetes);
	json_key(&j, "members");
	json_open(&j, '[');
	for (const struct etcd_known_member *m = s->members; m; m = m->next) {
		json_open(&j, '{');
		json_key_text(&j, "id", etcd_ident_text(m->id).text);
		json_key_str(&j, "name", m->name);
		json_key_str(&j, "peerURLs", m->urls);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	if (p->newest) {
		json_key_text(&j, "newest", when(p->newest).text);
		json_key_str(&j, "newestKey", p->newest_key);
	}
	json_names(&j, "apiServerLeases", &p->apiservers);
	json_names(&j, "apiServerAddresses", &p->masterleases);
	json_names(&j, "nodes", &p->nodes);
	json_names(&j, "namespaces", &p->namespaces);
	json_groups(&j, p);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	struct preview *p = arena_alloc(app->arena, sizeof *p);
	enum output_format format;
	struct etcd_status status;

	if (output_parse(&format, app, o->write_out, e))
		return e->code;
	if (o->rev > INT64_MAX)
		return err_set(e, ERR_USAGE, "--rev %" PRIu64 " is no revision", o->rev);
	const char *path = app->operands[0];
	if (etcd_snapshot_open(&file, AT_FDCWD, path, e))
		return e->code;
	if (etcd_status_brief(&status, app->arena, &file.db, e) ||
		preview_read(p, app->arena, &file.db, (int64_t)o->rev, e))
		return err_wrap(e, "%s", path);
	if (format == OUTPUT_JSON ? print_json(&out, p, &status, e)
				  : print_text(&out, p, &status, o->all, e))
		return e->code;
	output_tame(&out);
	return app_print(&out, e);
}

const struct applet applet_snapshot_inspect = {
	.name = "snapshot inspect",
	.purpose = "show which cluster a snapshot is of, and what was in it",
	.operands = "FILE|DIR",
	.about = "Members, API servers, nodes, namespaces, objects by kind and size, the newest\n"
		 "object's time, and whether Secrets are encrypted; without any server.",
	.options = rows,
	.options_size = sizeof(struct options),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
