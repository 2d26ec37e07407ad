/* What a plan makes of the control plane on a disk: printed, with every change as a diff. */
#include <string.h>

#include "cmd/plan_target.h"
#include "codec/json.h"
#include "plan/finish_record.h"
#include "plan/membership.h"
#include "plan/role.h"
#include "plan/stored.h"

enum { OUTPUT_MAX = 16 << 20 };

static void json_texts(struct json *j, const char *key, const struct kube_texts *texts)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < texts->n; i++)
		json_text(j, texts->v[i]);
	json_close(j, ']');
}

static void json_members(struct json *j, const char *key, const struct kube_members *members)
{
	json_key(j, key);
	json_open(j, '{');
	for (size_t i = 0; i < members->n; i++)
		json_texts(j, members->v[i].name, &members->v[i].urls);
	json_close(j, '}');
}

static void json_cluster(struct json *j, const struct kube_cluster *c)
{
	json_key_text(j, "name", c->name);
	json_texts(j, "peer_urls", &c->peer_urls);
	json_texts(j, "client_urls", &c->client_urls);
	json_members(j, "members", &c->members);
	json_key_bool(j, "partial", c->partial);
	json_key_text(j, "token", c->token);
	json_key_text(j, "data_dir", c->data_dir);
	json_key_text(j, "wal_dir", c->wal_dir);
}

static void json_edits(struct json *j, const struct kube_files *files)
{
	json_key(j, "edits");
	json_open(j, '[');
	for (const struct kube_file *f = files->first; f; f = f->next) {
		for (size_t i = 0; i < f->n_changes; i++) {
			const struct kube_change *c = &f->changes[i];
			unsigned line, column;
			kube_place(&line, &column, f, c->start);
			json_open(j, '{');
			json_key_text(j, "file", f->path);
			json_key_u64(j, "line", line);
			json_key_u64(j, "column", column);
			json_key_text(j, "what", c->what);
			json_key_str(j, "old", c->old);
			json_key_str(j, "new", c->new);
			json_key_text(j, "why", c->why);
			json_close(j, '}');
		}
	}
	json_close(j, ']');
}

static void json_identity(struct json *j, const struct identity *id)
{
	json_key(j, "identity");
	json_open(j, '[');
	for (size_t i = 0; i < id->n; i++) {
		json_open(j, '{');
		json_key_text(j, "what", identity_word(id->v[i].what));
		json_key_text(j, "value", id->v[i].value);
		json_key_text(j, "source", id->v[i].source);
		json_key_text(j, "rank", identity_rank_word(id->v[i].rank));
		json_key_bool(j, "won", id->v[i].won);
		json_key_bool(j, "disagrees", id->v[i].disagrees);
		json_key_text(j, "why", identity_why(id, &id->v[i]));
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* What the first boot will do; none of it when it is not laid down, as where a node only stands
 * aside. */
static bool first_boot(struct finish_step steps[FINISH_ACTIONS], const struct plan_rewrite *r)
{
	const struct plan *p = r->plan;
	struct plan_role_found found = { .role = PLAN_ROLE_AUTO };
	struct err refused = { 0 };

	if (!p || !p->finish.install)
		return false;
	/* What is refused is told elsewhere. */
	if (plan_role_find(&found, r, &refused))
		found.role = PLAN_ROLE_AUTO;
	if (found.role == PLAN_ROLE_STAND_ASIDE || found.role == PLAN_ROLE_PURGE_ONLY)
		return false;
	finish_steps(steps, r->node.layout->name,
		&(struct finish_wanted){ p->finish.cronjobs, p->finish.stuck_pods, p->finish.nodes,
			p->finish.redeploy, p->finish.csr },
		&(struct finish_part){ found.role == PLAN_ROLE_JOIN, r->wanted.n_replace > 0,
			found.role == PLAN_ROLE_SINGLE || r->members.n == 1 });
	return true;
}

int cmd_target_json(struct buf *out, const struct plan_rewrite *r, struct err *e)
{
	const struct kube_node *n = &r->node;
	struct finish_step steps[FINISH_ACTIONS];
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "target");
	json_key_text(&j, "layout", n->layout->name);
	json_key_text(&j, "marker", n->marker);
	json_key_text(&j, "node", n->name);
	if (r->role_why) {
		json_key_text(&j, "role", r->role);
		json_key_text(&j, "role_why", r->role_why);
	}
	json_cluster(&j, &n->clusters[0]);
	if (r->members.n) {
		json_members(&j, "restored_members", &r->members);
		json_key_text(&j, "restored_members_from", r->members_why);
	}
	json_identity(&j, &r->who.identity);
	json_texts(&j, "addresses", &n->addresses);
	json_texts(&j, "warnings", &n->warnings);
	if (r->fresh.n)
		json_texts(&j, "fresh", &r->fresh);
	json_edits(&j, n->files);
	if (first_boot(steps, r)) {
		json_key(&j, "first_boot");
		json_open(&j, '[');
		for (size_t i = 0; i < FINISH_ACTIONS; i++) {
			if (steps[i].done)
				json_text(&j, steps[i].name);
		}
		json_close(&j, ']');
	}
	if (n->n_clusters > 1) {
		json_key(&j, "clusters");
		json_open(&j, '[');
		for (size_t i = 0; i < n->n_clusters; i++) {
			json_open(&j, '{');
			json_key_text(&j, "what", n->clusters[i].what);
			json_cluster(&j, &n->clusters[i]);
			json_close(&j, '}');
		}
		json_close(&j, ']');
	}
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_texts(
	struct buf *out, const char *label, const struct kube_texts *t, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		if (buf_print(out, e, "%-12s%s\n", i ? "" : label, t->v[i]))
			return e->code;
	}
	return 0;
}

static void list_members(
	struct kube_texts *list, struct arena *a, const struct kube_members *members)
{
	for (size_t i = 0; i < members->n; i++) {
		for (size_t k = 0; k < members->v[i].urls.n; k++)
			kube_add_text(list, a,
				arena_print(
					a, "%s  %s", members->v[i].name, members->v[i].urls.v[k]));
	}
}

static int print_cluster(
	struct buf *out, struct arena *a, const struct kube_cluster *c, struct err *e)
{
	struct kube_texts members = { 0 };

	list_members(&members, a, &c->members);
	if (buf_print(out, e, "\n%s\n%-12s%s\n", c->what, "  member",
		    c->name ? c->name : "(not said)") ||
		print_texts(out, "  peer", &c->peer_urls, e) ||
		print_texts(out, "  members", &members, e) ||
		buf_print(out, e, "%-12s%s\n%-12s%s\n", "  token", c->token, "  data", c->data_dir))
		return e->code;
	return c->wal_dir ? buf_print(out, e, "%-12s%s\n", "  wal", c->wal_dir) : 0;
}

/* Every source that said something, and what became of it. */
static int print_identity(struct buf *out, const struct identity *id, struct err *e)
{
	for (enum identity_what what = 0; what < IDENTITY_WHATS; what++) {
		for (size_t i = 0, n = 0; i < id->n; i++) {
			const struct identity_claim *c = &id->v[i];
			if (c->what == what && buf_print(out, e, "  %-10s%s (%s): %s\n",
						       n++ ? "" : identity_word(what), c->value,
						       c->source, identity_why(id, c)))
				return e->code;
		}
	}
	return 0;
}

static int print_first_boot(struct buf *out, const struct plan_rewrite *r, struct err *e)
{
	struct finish_step steps[FINISH_ACTIONS];

	if (!first_boot(steps, r))
		return 0;
	if (buf_print(out, e, "\nfirst boot\n"))
		return e->code;
	for (size_t i = 0; i < FINISH_ACTIONS; i++) {
		const struct finish_step *s = &steps[i];
		if (s->done && buf_print(out, e, "  %-11s %s%s%s%s\n", s->name, s->text,
				       s->key ? " (" : "", s->key ? s->key : "",
				       s->key ? ": no leaves it out)" : ""))
			return e->code;
	}
	return 0;
}

int cmd_target_text(struct buf *out, const struct plan_rewrite *r, struct err *e)
{
	const struct kube_node *n = &r->node;
	size_t changes = 0;

	if (buf_print(out, e, "%-12s%s (%s)\n%-12s%s\n", "layout", n->layout->name, n->marker,
		    "node", n->name ? n->name : "(not said)") ||
		(r->role && buf_print(out, e, "%-12s%s: %s\n", "role", r->role, r->role_why)) ||
		buf_print(out, e, "\nidentity\n") || print_identity(out, &r->who.identity, e))
		return e->code;
	for (size_t i = 0; i < n->n_clusters; i++) {
		if (print_cluster(out, n->files->arena, &n->clusters[i], e))
			return e->code;
	}
	struct kube_texts restored = { 0 };
	list_members(&restored, n->files->arena, &r->members);
	if (restored.n && (buf_print(out, e, "\nrestored: %s\n", r->members_why) ||
				  print_texts(out, "  members", &restored, e)))
		return e->code;
	for (size_t i = 0; i < n->warnings.n; i++) {
		if (buf_print(out, e, "%swarning: %s\n", i ? "" : "\n", n->warnings.v[i]))
			return e->code;
	}
	if (print_first_boot(out, r, e))
		return e->code;
	if (r->fresh.n &&
		(buf_print(out, e,
			 "\nnew here, with keys, certificates and kubeconfigs of its own\n") ||
			print_texts(out, "  files", &r->fresh, e)))
		return e->code;
	for (const struct kube_file *f = n->files->first; f; f = f->next)
		changes += f->n_changes;
	if (buf_print(out, e, "\n%zu changes\n", changes))
		return e->code;
	for (const struct kube_file *f = n->files->first; f; f = f->next) {
		if (kube_diff(out, f, e))
			return e->code;
	}
	return 0;
}

/* Which members would be restored, or why that is not known; of the main cluster, whose snapshot
 * it is. */
static void tell_members(
	struct plan_rewrite *r, const struct plan *plan, const struct etcd_known_member *known)
{
	static const struct plan defaults = { 0 };
	const struct kube_cluster *c = &r->node.clusters[0];
	struct kube_members members;
	struct err why = { 0 };

	if (plan_membership(&members, &r->members_why, r->node.files->arena, c,
		    plan ? plan : &defaults, known, r->wanted.replace, r->wanted.n_replace, &why))
		kube_warn(&r->node, "%s", why.text);
	else
		r->members = members;
}

void cmd_target_role(struct plan_rewrite *r, struct err *refused)
{
	static const struct plan none = { 0 };
	struct plan_rewrite asked = *r;
	struct plan_role_found found;

	if (!asked.plan)
		asked.plan = &none;
	if (plan_role_find(&found, &asked, refused)) {
		r->role_why = arena_print(r->node.files->arena, "%s", refused->text);
		return;
	}
	r->role = plan_role_word(found.role);
	r->role_why = found.why;
	if (found.warning)
		kube_warn(&r->node, "%s", found.warning);
}

int cmd_plan_target(struct app *app, const struct cmd_target *t, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	CLEAN_ROOT struct root root = NO_ROOT;
	struct plan_machine machine;
	struct plan_rewrite r;
	struct plan_stored snapshot;
	struct err mismatch = { 0 }, refused = { 0 };
	size_t done = 0;

	if (root_open(&root, t->dir, e))
		return e->code;
	struct kube_files files = kube_files(app->arena, &root);
	if (t->machine) {
		plan_machine_read(&machine, app->arena, t->machine, NULL);
		plan_machine_ask(&machine, app->arena, NULL);
	}
	if (plan_rewrite(&r, &files, t->plan, t->machine ? &machine : NULL, e))
		return cmd_plan_bare(app, t, &files, t->machine ? &machine : NULL, e);
	if (!t->apply)
		cmd_target_role(&r, &refused);
	if (t->snapshot && plan_stored_file(&snapshot, app->arena, t->snapshot, e))
		return e->code;
	/* Said once everything is shown. */
	if (t->snapshot) {
		plan_identify_members(&r.who, &r.node, t->plan, snapshot.members);
		tell_members(&r, t->plan, snapshot.members);
		plan_stored_judge(&snapshot, &r.node, &mismatch);
	}
	if (t->apply && plan_rewrite_apply(&done, &r, e)) {
		app->status = done ? 4 : 0;
		return done ? err_wrap(e, "%zu files were replaced, then", done) : e->code;
	}
	if (t->json ? cmd_target_json(&out, &r, e) : cmd_target_text(&out, &r, e))
		return e->code;
	if (!t->json)
		output_tame(&out);
	if (app_print(&out, e))
		return e->code;
	*e = refused.code ? refused : mismatch;
	return e->code;
}
