/* Which disk holds the control plane, and where its etcd really lies. */
#include <string.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "cmd/output.h"
#include "codec/json.h"
#include "plan/target.h"
#include "target/assemble.h"

/* A disk that gives no answer for so long is named and left. */
enum { PROBE_MS = 12000, OUTPUT_MAX = 16 << 20 };

struct target_options {
	struct option_common common;
	const char *root, *layout, *luks_key;
	bool degraded;
};

struct shown {
	const struct plan_target *t;
	const char *dir; /* NULL: the machine's disks */
	const struct target_volumes *volumes;
	const char *const *why;
	const struct target_assembly *assembly;
};

static void json_spot(struct json *j, const struct target_spot *s)
{
	json_key_text(j, "device", s->device);
	json_key_text(j, "type", s->type);
	json_key_text(j, "inside", s->inside);
}

static void json_directory(
	struct json *j, const char *key, const struct plan_target_directory *d, const char *path)
{
	json_key(j, key);
	if (!path) {
		json_null(j);
		return;
	}
	json_open(j, '{');
	json_key_text(j, "path", path);
	json_key_text(j, "real", d->place.path);
	json_spot(j, &d->place.spot);
	json_key_text(j, "volume", d->volume ? d->volume->name : NULL);
	json_key_bool(j, "reached", d->reached);
	json_key_bool(j, "has_member", d->has_member);
	json_key(j, "lower");
	json_open(j, '[');
	for (size_t i = 0; i < d->place.n_lower; i++) {
		json_open(j, '{');
		json_spot(j, &d->place.lower[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key(j, "chain");
	json_open(j, '[');
	for (size_t i = 0; i < d->place.n_chain; i++)
		json_text(j, d->place.chain[i]);
	json_close(j, ']');
	json_close(j, '}');
}

static void json_volumes(struct json *j, const struct shown *s)
{
	json_key(j, "volumes");
	json_open(j, '[');
	for (size_t i = 0; s->volumes && i < s->volumes->n; i++) {
		const struct target_volume *v = &s->volumes->v[i];
		json_open(j, '{');
		json_key_text(j, "name", v->name);
		json_key_text(j, "kind", superblock_word(v->content->kind));
		json_key_text(j, "label", v->content->label);
		json_key_text(j, "uuid", v->content->uuid);
		json_key_u64(j, "size", v->size);
		json_key_bool(j, "locked", v->locked);
		json_key_bool(j, "chosen", !s->why[i]);
		json_key_text(j, "why_not", s->why[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void json_layers(struct json *j, const struct shown *s)
{
	static const char *const words[] = { "md", "luks", "lvm" };

	json_key(j, "layers");
	json_open(j, '[');
	for (size_t i = 0; s->assembly && i < s->assembly->n; i++) {
		const struct target_layer *l = &s->assembly->v[i];
		json_open(j, '{');
		json_key_text(j, "kind", words[l->kind]);
		json_key_text(j, "name", l->name);
		json_key_bool(j, "degraded", l->degraded);
		json_key(j, "from");
		json_open(j, '[');
		for (size_t k = 0; k < l->n_from; k++)
			json_text(j, l->from[k]);
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
}

static int print_json(struct buf *out, const struct shown *s, struct err *e)
{
	const struct plan_target *t = s->t;
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "target");
	json_key_text(&j, "root", s->dir);
	json_key_text(&j, "volume", t->volume ? t->volume->name : NULL);
	json_key_text(&j, "uuid", t->volume ? t->volume->content->uuid : NULL);
	json_key_text(&j, "deployment", t->tree.ostree.deployment);
	json_key_text(&j, "layout", t->node.layout->name);
	json_key_text(&j, "marker", t->node.marker);
	json_key_text(&j, "node", t->node.name);
	json_key(&j, "clusters");
	json_open(&j, '[');
	for (size_t i = 0; i < t->node.n_clusters; i++) {
		const struct plan_target_cluster *c = &t->clusters[i];
		json_open(&j, '{');
		json_key_text(&j, "what", c->cluster->what);
		json_key_text(&j, "fence", c->cluster->fence);
		json_directory(&j, "data", &c->data, c->cluster->data_dir);
		json_directory(&j, "wal", &c->wal, c->cluster->wal_dir);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_layers(&j, s);
	json_volumes(&j, s);
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static const char *state_of(const struct plan_target_directory *d)
{
	return !d->reached ? "not looked into" : d->has_member ? "holds a member" : "no member";
}

static int print_directory(struct buf *out, const char *label,
	const struct plan_target_directory *d, const char *path, struct err *e)
{
	const struct target_place *p = &d->place;

	if (!path)
		return 0;
	if (buf_print(out, e, "  %-10s%s\n  %-10s%s%s%s%s: %s (%s)\n", label, path, "",
		    p->spot.device ? p->spot.device : "the root's own file system",
		    d->volume ? ", here " : "", d->volume ? d->volume->name : "",
		    p->n_lower ? ", upper layer" : "",
		    *p->spot.inside ? p->spot.inside : "its top directory", state_of(d)))
		return e->code;
	for (size_t i = 0; i < p->n_lower; i++) {
		const struct target_spot *s = &p->lower[i];
		if (buf_print(out, e, "  %-10s  over %s: %s\n", "",
			    s->device ? s->device : "the root's own file system",
			    *s->inside ? s->inside : "its top directory"))
			return e->code;
	}
	for (size_t i = 0; i < p->n_chain; i++) {
		if (buf_print(out, e, "  %-10s  %s\n", "", p->chain[i]))
			return e->code;
	}
	return 0;
}

static int print_root(struct buf *out, const struct shown *s, struct err *e)
{
	const struct plan_target *t = s->t;
	const struct target_volume *v = t->volume;

	if (v ? buf_print(out, e, "%-12s%s (%s%s%s%s%s)\n", "root", v->name,
			superblock_word(v->content->kind), *v->content->label ? ", LABEL=" : "",
			v->content->label, *v->content->uuid ? ", UUID=" : "", v->content->uuid)
	      : buf_print(out, e, "%-12s%s\n", "root", s->dir))
		return e->code;
	if (t->tree.ostree.deployment && buf_print(out, e, "%-12s%s (%s)\n", "deployment",
						 t->tree.ostree.deployment, t->tree.ostree.origin))
		return e->code;
	return buf_print(out, e, "%-12s%s (%s)\n%-12s%s\n", "layout", t->node.layout->name,
		t->node.marker, "node", t->node.name ? t->node.name : "(not said)");
}

static int print_text(struct buf *out, const struct shown *s, struct err *e)
{
	const struct plan_target *t = s->t;

	if (print_root(out, s, e))
		return e->code;
	for (size_t i = 0; i < t->node.n_clusters; i++) {
		const struct plan_target_cluster *c = &t->clusters[i];
		const struct kube_cluster *k = c->cluster;
		if (buf_print(out, e, "\n%s\n  %-10s%s\n", k->what, "fence",
			    k->fence ? k->fence : "(none)") ||
			print_directory(out, "data", &c->data, k->data_dir, e) ||
			print_directory(out, "wal", &c->wal, k->wal_dir, e))
			return e->code;
	}
	if (s->volumes && buf_print(out, e, "\nvolumes\n"))
		return e->code;
	for (size_t i = 0; s->volumes && i < s->volumes->n; i++) {
		const struct target_volume *v = &s->volumes->v[i];
		if (buf_print(out, e, "  %-10s%s\n", v->name,
			    s->why[i] ? s->why[i] : "the control plane"))
			return e->code;
	}
	return 0;
}

static int show(struct app *app, const struct shown *s, struct err *e)
{
	const struct target_options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);

	if (o->common.json ? print_json(&out, s, e) : print_text(&out, s, e))
		return e->code;
	if (!o->common.json)
		output_tame(&out);
	return app_print(&out, e);
}

static int look_at_tree(struct app *app, const struct target_options *o, struct err *e)
{
	CLEAN_ROOT struct root root = NO_ROOT;
	const struct plan_target_from from = { .root = &root, .layout = o->layout };
	struct plan_target t;

	if (root_open(&root, o->root, e))
		return e->code;
	int status = plan_target(&t, app->arena, &from, e);
	if (!status)
		status = show(app, &(struct shown){ &t, o->root, NULL, NULL, NULL }, e);
	plan_target_close(&t);
	return status;
}

static int look_at_disks(struct app *app, const struct target_options *o, struct err *e)
{
	const struct target_assemble_options storage = {
		.luks_key = o->luks_key ? arena_print(app->arena, "file:%s", o->luks_key) : "auto",
		.degraded = o->degraded,
		.probe_ms = PROBE_MS,
		.listener = app->listener,
	};
	struct target_assembly assembly = NO_ASSEMBLY;
	struct target_volumes volumes;
	struct plan_target t;
	const char **why;

	if (geteuid())
		return err_set(e, ERR_DECLINED,
			"only root may look at the disks; --root DIR looks at a mounted tree");
	if (target_assemble(&assembly, app->arena, &app->root, &storage, e)) {
		target_disassemble(&assembly);
		return e->code;
	}
	target_probe(&volumes, app->arena, &app->root, assembly.blocks, assembly.n_blocks);
	target_assemble_explain(&volumes, &assembly);
	int status = plan_target_choose(&t, &why, app->arena, &volumes, o->layout, e);
	if (!status)
		status = show(app, &(struct shown){ &t, NULL, &volumes, why, &assembly }, e);
	else
		for (size_t i = 0; i < volumes.n; i++)
			event_info(app->listener, "target", "%s: %s", volumes.v[i].name,
				why[i] ? why[i] : "a control plane");
	plan_target_close(&t);
	target_probe_close(&volumes);
	target_disassemble(&assembly);
	return status;
}

static int target_run(struct app *app, struct err *e)
{
	const struct target_options *o = app->options;

	return o->root ? look_at_tree(app, o, e) : look_at_disks(app, o, e);
}

static const struct option_row options[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct target_options, root), "DIR",
		"look at this mounted tree, not at the machine's disks" },
	{ "layout", 0, OPTION_TEXT, offsetof(struct target_options, layout), "NAME",
		"the layout, where a disk has the marks of more than one" },
	{ "luks-key", 0, OPTION_TEXT, offsetof(struct target_options, luks_key), "FILE",
		"the key of encrypted disks; found on the other disks when not given" },
	{ "degraded", 0, OPTION_FLAG, offsetof(struct target_options, degraded), NULL,
		"start arrays and volume groups that lack disks, too" },
	{ 0 },
};

const struct applet applet_target = {
	.name = "target",
	.purpose = "find the disk of the control plane, and where its etcd really lies",
	.about = "Looks into every file system of the machine's disks, read-only and without "
		 "replaying a\n"
		 "journal, for the one that holds a control plane; several are refused with a "
		 "list.  In the\n"
		 "image arrays, LUKS containers and volume groups are opened for it, read-only, "
		 "and closed\n"
		 "again.  Then follows links, fstab, mount units, overlays and ostree's "
		 "deployments from\n"
		 "etcd's data and WAL directories to the file system they are on.",
	.options = options,
	.options_size = sizeof(struct target_options),
	.run = target_run,
};
