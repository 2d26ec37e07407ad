/* A fresh master: another one's configuration, from the archive that the plan's `pki:` names, made
 * this node's in memory; from there on it is restored as any other. */
#include <string.h>

#include "codec/address.h"
#include "net/url.h"
#include "os/file.h"
#include "os/mount.h"
#include "plan/fresh.h"
#include "plan/run.h"
#include "target/file.h"

enum { MEMORY_MAX = 128 << 20, REPLACE_MAX = 4, FILE_MAX = 8 << 20 };

static const char step[] = "identify";

/* "etc/kubernetes/pki/..key" that every master has. */
static bool is_shared(const char *path)
{
	static const char *const keys[] = { "etc/kubernetes/pki/ca.key",
		"etc/kubernetes/pki/sa.key", "etc/kubernetes/pki/front-proxy-ca.key",
		"etc/kubernetes/pki/etcd/ca.key", NULL };

	for (const char *const *k = keys; *k; k++) {
		if (!strcmp(*k, path))
			return true;
	}
	return false;
}

/* The other master's own certificates stay in the archive. */
static int unpack(struct run *r, struct err *e)
{
	struct plan_bundle_file **link = &r->bundle.first;

	if (plan_bundle_read(
		    &r->bundle, r->arena, &r->settings, r->plan->pki, &r->site.target.running, e) ||
		mount_memory(&r->config, MEMORY_MAX, e))
		return e->code;
	while (*link) {
		struct plan_bundle_file *f = *link;
		f->is_there = false;
		if (kube_pki_is_leaf(f->path)) {
			*link = f->next;
			r->bundle.n--;
			continue;
		}
		if (!strncmp(f->path, "etc/kubernetes/pki/", 19) &&
			str_ends(str_from(f->path), STR(".key")) && !is_shared(f->path))
			event_warning(r->listener, step,
				"%s comes from the other master as it is: nothing here knows how "
				"to issue it anew",
				f->path);
		link = &f->next;
	}
	return plan_bundle_write(&r->bundle, &r->config, e);
}

static const char *host_of(struct arena *a, const struct kube_cluster *c)
{
	struct err none = { 0 };
	struct url url;

	if (!c->peer_urls.n || url_parse(&url, str_from(c->peer_urls.v[0]), &none))
		return NULL;
	return arena_copy(a, url.host);
}

static void replace(struct plan_replaces *list, const char *from, const char *to)
{
	if (from && to && strcmp(from, to))
		list->v[list->n++] = (struct plan_replace){ .from = from, .to = to };
}

static bool is_told(const struct plan *plan, const char *from)
{
	for (size_t i = 0; i < plan->replace.n; i++) {
		if (!strcmp(plan->replace.v[i].from, from))
			return true;
	}
	return false;
}

/* What the other master is called and where it is, and what stands there of this one. */
static int compare(struct plan_replaces *list, const struct run *r, struct kube_node *other,
	const struct kube_node *own, struct err *e)
{
	struct arena *a = r->arena;
	const char *from = host_of(a, &other->clusters[0]), *to = host_of(a, &own->clusters[0]);
	struct kube_pki_facts facts;

	if (!other->clusters[0].name || !from)
		return err_set(e, ERR_FORMAT, "%s: does not say which master it was made on",
			other->clusters[0].fence);
	if (kube_pki_facts(&facts, other, NULL, STR(""), e))
		return e->code;
	replace(list, other->clusters[0].name, own->name);
	replace(list, from, to);
	if (!address_same(str_from(facts.address), str_from(from)) &&
		!is_told(r->plan, facts.address))
		return err_set(e, ERR_DECLINED,
			"the archive's master has its API server at %s and its etcd at %s; say "
			"where this one has the former: replace: [{from: %s, to: ..}]",
			facts.address, from, facts.address);
	event_info(r->listener, step, "the archive is of %s at %s; what is made of it is %s at %s",
		other->clusters[0].name, from, own->name, to);
	return 0;
}

/* In memory, by the same changes that a replaced node gets. */
static int rename_all(struct run *r, const struct kube_node *own, struct err *e)
{
	struct kube_files files = kube_files(r->arena, &r->config);
	struct plan_replace list[REPLACE_MAX];
	struct plan plan = { .replace = { .v = list } };
	struct plan_rewrite rewrite;
	struct kube_node other;
	size_t done;

	files.host = &r->site.target.running;
	if (kube_node(&other, &files, r->site.layout, e))
		return err_wrap(e, "the archive");
	if (other.layout != &kube_layout_kubeadm)
		return err_set(e, ERR_UNSUPPORTED,
			"the archive is of a %s control plane (%s); a fresh master can be made of "
			"a kubeadm one",
			other.layout->name, other.marker);
	if (compare(&plan.replace, r, &other, own, e))
		return e->code;
	files = kube_files(r->arena, &r->config);
	files.host = &r->site.target.running;
	return plan_rewrite(&rewrite, &files, &plan, NULL, e) ||
			       plan_rewrite_apply(&done, &rewrite, e)
		       ? err_wrap(e, "the archive")
		       : 0;
}

int run_fresh(struct run *r, struct err *e)
{
	const struct err why = *e;
	struct plan_rewrite own;

	*e = (struct err){ 0 };
	if (site_blank(&r->site, e))
		return e->code == ERR_NOTFOUND ? err_wrap(e, "%s", why.text) : e->code;
	struct kube_files host = kube_files(r->arena, &r->site.target.running);
	if (plan_fresh(&own, &host, r->plan, r->who, &(struct plan_fresh){ 0 }, NULL, e) ||
		run_settings(r, e))
		return e->code;
	event_info(r->listener, step, "no control plane here: a fresh master, from the archive");
	if (unpack(r, e) || rename_all(r, &own.node, e) || site_fresh(&r->site, &r->config, e))
		return e->code;
	r->fresh = true;
	return 0;
}

unsigned run_fresh_mode(const struct run *r, const char *path)
{
	for (const struct plan_bundle_file *f = r->bundle.first; f; f = f->next) {
		if (!strcmp(f->path, path))
			return f->mode;
	}
	return 0600;
}

/* All that is not among the changes, the fences and the new certificates. */
int run_fresh_files(struct run *r, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(FILE_MAX);

	for (const struct plan_bundle_file *f = r->bundle.first; f; f = f->next) {
		struct commit_file file = { .mode = f->mode };
		if (run_has(r, f->path))
			continue;
		buf_clear(&text);
		if (file_read(&text, &r->config, f->path, e) ||
			site_file(&file.place, &r->site, f->path, e))
			return e->code;
		file.content = buf_span(&text);
		if (commit_add_file(&r->commit, &file, e))
			return e->code;
	}
	event_info(
		r->listener, "rewrite", "%zu files of the archive, made this node's", r->bundle.n);
	return 0;
}
