/* The configuration of a restore: what is said gets a digest, what is decided an id, and all that
 * is new its place in the commit. */
#include <inttypes.h>
#include <string.h>

#include "codec/text.h"
#include "etcd/ident.h"
#include "kube/check.h"
#include "os/file.h"
#include "plan/run.h"
#include "plan/show.h"
#include "target/overlay.h"

enum { TEXT_MAX = 4 << 20 };

/* Kept by systemd before it looks at the unit's own conditions. */
static const char dropin_name[] = "00-etcd-rescue.conf";
static const char dropin[] = "# etcd-rescue holds etcd back while it restores its data; see "
			     "/var/lib/etcd-rescue/journal\n"
			     "[Unit]\n"
			     "ConditionPathExists=/run/etcd-rescue/never\n";

static void digest_of(char hex[65], struct span bytes)
{
	uint8_t digest[CODEC_SHA256_SIZE];

	codec_sha256_of(digest, bytes);
	codec_sha256_hex(hex, digest);
}

/* What was said, whatever its number. */
int run_digest(struct run *r, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(TEXT_MAX);
	struct json j = JSON(&text);
	struct plan plan = *r->plan;

	plan.generation = 0;
	plan_show_json(&j, r->arena, &plan);
	if (json_end(&j, e))
		return e->code;
	digest_of(r->plan_digest, buf_span(&text));
	return 0;
}

bool run_is_unit(const char *fence)
{
	return str_ends(str_from(fence), STR(".service"));
}

static bool is_fence(const struct kube_node *node, const char *path)
{
	for (size_t i = 0; i < node->n_clusters; i++) {
		const char *fence = node->clusters[i].fence;
		if (fence && !run_is_unit(fence) && !strcmp(fence, path))
			return true;
	}
	return false;
}

bool run_has(const struct run *r, const char *path)
{
	const struct kube_node *node = &r->rewrite.node;

	for (const struct kube_file *f = node->files->first; f; f = f->next) {
		if (f->n_changes && !strcmp(f->path, path))
			return true;
	}
	return is_fence(node, path) || run_pki_has(r, path);
}

/* The file as it shall be; the document it was meant to become. */
int run_result(struct buf *out, const struct kube_file *f, struct err *e)
{
	buf_clear(out);
	return kube_result(out, f, e) ? e->code : kube_check(f, buf_text(out), e);
}

/* One line for each thing that was decided. */
static int resolve(struct run *r, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(TEXT_MAX);
	CLEAN_BUF struct buf file = BUF(4 * KUBE_FILE_MAX);
	const struct kube_node *node = &r->rewrite.node;
	char hex[65];

	if (buf_print(&text, e, "etcd-rescue plan 1\nplan %s\ngeneration %" PRIu64 "\nnode %s\n",
		    r->plan_digest, r->plan->generation, node->name ? node->name : "") ||
		(!run_restores(r) && buf_print(&text, e, "role %s\n", run_role_word(r))))
		return e->code;
	for (size_t i = 0; i < r->n_clusters; i++) {
		const struct run_cluster *c = &r->clusters[i];
		if (!c->own)
			continue;
		codec_sha256_hex(hex, c->snapshot.sha256);
		if (buf_print(&text, e, "%s snapshot %s token %s cluster %s member %s edits %s\n",
			    c->target->cluster->what, hex, c->token,
			    etcd_ident_text(c->cluster.id).text, etcd_ident_text(c->own->id).text,
			    c->edits_digest))
			return e->code;
	}
	for (const struct kube_file *f = node->files ? node->files->first : NULL; f; f = f->next) {
		if (!f->n_changes)
			continue;
		if (run_result(&file, f, e))
			return e->code;
		digest_of(hex, buf_span(&file));
		if (buf_print(&text, e, "file %s %s\n", f->path, hex))
			return e->code;
	}
	for (const struct plan_bundle_file *f = r->bundle.first; f; f = f->next) {
		digest_of(hex, f->bytes);
		if (buf_print(&text, e, "archive %s %s\n", f->path, hex))
			return e->code;
	}
	for (const struct plan_bundle_file *f = r->resources; f; f = f->next) {
		digest_of(hex, f->bytes);
		if (buf_print(&text, e, "resource %s %s\n", f->path, hex))
			return e->code;
	}
	digest_of(r->plan_id, buf_span(&text));
	return 0;
}

/* From here on the journal knows it, too: kept files are named after the plan's id. */
static void tell_journal(struct run *r)
{
	struct journal *j = &r->commit.journal;
	const struct run_cluster *c = r->clusters;
	char hex[65];

	j->plan_id = r->plan_id;
	j->node = r->rewrite.node.name;
	j->machine = r->who && r->who->dmi ? r->who->dmi->uuid : NULL;
	if (!run_restores(r))
		return;
	codec_sha256_hex(hex, c->snapshot.sha256);
	j->source = c->snapshot.shown;
	j->snapshot_sha256 = arena_copy(r->arena, str_from(hex));
	j->token = c->token;
	j->cluster_id = arena_copy(r->arena, str_from(etcd_ident_text(c->cluster.id).text));
}

int run_resolve(struct run *r, struct err *e)
{
	if (resolve(r, e))
		return e->code;
	tell_journal(r);
	return 0;
}

static const char *below(struct arena *a, const char *dir, const char *name)
{
	return arena_print(a, "%s%s%s", dir, *dir ? "/" : "", name);
}

static int add_directories(struct run *r, struct run_cluster *c, struct err *e)
{
	struct arena *a = r->arena;
	const struct root *root = site_root(&r->site, c->data.device);
	const char *staged = below(a, c->inside, RUN_NEW_DATA "/member");
	const struct commit_place member = { c->data.device, below(a, c->data.path, "member") };

	/* Or the old segments of a lower layer would be back among the new. */
	if (c->target->data.place.n_lower && target_make_opaque(root, staged, e))
		return e->code;
	if (c->moved ? run_room_left(r, c, e) ||
				commit_add_moved(&r->commit, &member, staged, &c->aside, e)
		     : commit_add_directory(&r->commit, &member, staged, e))
		return e->code;
	if (!c->target->cluster->wal_dir)
		return 0;
	const char *wal = below(a, c->wal_inside, RUN_NEW_WAL);
	if (c->target->wal.place.n_lower &&
		target_make_opaque(site_root(&r->site, c->wal.device), wal, e))
		return e->code;
	return commit_add_directory(&r->commit, &c->wal, wal, e);
}

static const struct kube_file *changed_file(const struct kube_node *node, const char *path)
{
	for (const struct kube_file *f = node->files->first; f; f = f->next) {
		if (f->n_changes && !strcmp(f->path, path))
			return f;
	}
	return NULL;
}

int run_hold_service(struct run *r, const char *unit, struct err *e)
{
	const char *slash = strrchr(unit, '/');
	const char *path = arena_print(
		r->arena, "etc/systemd/system/%s.d/%s", slash ? slash + 1 : unit, dropin_name);
	struct commit_place place;

	return site_file(&place, &r->site, path, e)
		       ? e->code
		       : commit_add_dropin(&r->commit, &place, SPAN(dropin), e);
}

/* Without it etcd does not start, so it is away while the directories change places. */
static int add_fence(struct run *r, const struct kube_cluster *k, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(KUBE_FILE_MAX);
	struct commit_file file = { .fence = true };
	struct commit_place model;

	if (!k->fence)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: what starts it here is not known, so it cannot be held back", k->what);
	if (run_is_unit(k->fence))
		return run_hold_service(r, k->fence, e);
	/* A recovery by hand that was not finished has moved it away, and from there it was read.
	 */
	const struct root *root = r->site.target.files.root;
	const bool there = root_exists(root, k->fence);
	const char *from = there ? k->fence : r->rewrite.node.marker;
	const struct kube_file *changed = changed_file(&r->rewrite.node, from);
	if (there && changed)
		return 0; /* among the files that change */
	if (site_file(&model, &r->site, from, e) || site_file(&file.place, &r->site, k->fence, e) ||
		(changed ? run_result(&text, changed, e) : file_read(&text, root, from, e)))
		return e->code;
	file.mode = run_fresh_mode(r, k->fence);
	file.like = there ? NULL : model.path;
	file.content = buf_span(&text);
	return commit_add_file(&r->commit, &file, e);
}

/* Of a node that joins: the first boot writes the members there that it finds. */
static bool says_members(struct run *r, const char *path, struct str text)
{
	bool says = false;

	for (size_t i = 0; i < r->n_clusters; i++) {
		struct run_cluster *c = &r->clusters[i];
		if (!c->listed || !text.len ||
			!memmem(text.p, text.len, c->listed, strlen(c->listed)))
			continue;
		kube_add_text(&c->files, r->arena, path);
		says = true;
	}
	return says;
}

int run_add_files(struct run *r, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(4 * KUBE_FILE_MAX);
	const struct kube_node *node = &r->rewrite.node;
	size_t n = 0;

	for (const struct kube_file *f = node->files->first; f; f = f->next) {
		struct commit_file file = { .fence = is_fence(node, f->path),
			.mode = run_fresh_mode(r, f->path) };
		const bool waits = file.fence && r->role == PLAN_ROLE_JOIN;
		if (waits || run_pki_has(r, f->path) || run_finish_holds(r, f->path))
			continue;
		file.content = (struct span){ (const uint8_t *)f->text.p, f->text.len };
		if (f->n_changes) {
			if (run_result(&out, f, e))
				return e->code;
			file.content = buf_span(&out);
		}
		file.changing = says_members(
			r, f->path, (struct str){ (const char *)file.content.p, file.content.len });
		if (!f->n_changes && !file.changing)
			continue;
		if (site_file(&file.place, &r->site, f->path, e) ||
			commit_add_file(&r->commit, &file, e))
			return e->code;
		if (!f->n_changes)
			continue;
		event_info(r->listener, "rewrite", "%s: %zu changes", f->path, f->n_changes);
		n++;
	}
	event_done(r->listener, "rewrite",
		arena_print(r->arena, "%zu files, staged beside the old ones", n));
	return 0;
}

int run_files(struct run *r, struct err *e)
{
	const struct site *site = &r->site;
	struct kube_wanted_cluster *decided =
		arena_array(r->arena, r->n_clusters + 1, sizeof *decided);
	struct kube_files *files = arena_alloc(r->arena, sizeof *files);

	event_step(r->listener, "rewrite", "names, addresses, members and token");
	*files = kube_files(r->arena, site->target.files.root);
	files->var = site->target.files.var;
	files->host = site->target.files.host;
	for (size_t i = 0; i < r->n_clusters; i++)
		decided[i] = (struct kube_wanted_cluster){ .token = r->clusters[i].token,
			.members = r->clusters[i].members };
	if (plan_rewrite_decided(&r->rewrite, files, r->plan, r->who, decided, e) ||
		run_pki(r, e) || run_resolve(r, e))
		return e->code;
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (add_directories(r, &r->clusters[i], e) ||
			add_fence(r, r->clusters[i].target->cluster, e))
			return err_wrap(e, "%s", r->clusters[i].target->cluster->what);
	}
	if (run_pki_files(r, e) || run_add_files(r, e) || run_resources_files(r, e) ||
		run_finish(r, e) || run_pods(r, e))
		return e->code;
	return r->fresh ? run_fresh_files(r, e) : 0;
}
