#include "plan/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "codec/address.h"
#include "kube/check.h"
#include "kube/rewrite.h"
#include "net/url.h"
#include "plan/membership.h"
#include "target/file.h"

static int by_length(const void *a, const void *b)
{
	const struct kube_replacement *x = a, *y = b;
	const size_t m = strlen(x->from), n = strlen(y->from);

	return m != n ? (m < n) - (m > n) : strcmp(x->from, y->from);
}

/* "m1.example.org" goes before "m1", which is a part of it. */
static int want_replacements(
	struct kube_wanted *w, struct arena *a, const struct plan *plan, struct err *e)
{
	struct kube_replacement *list = arena_array(a, plan->replace.n + 1, sizeof *list);

	for (size_t i = 0; i < plan->replace.n; i++)
		list[i] =
			(struct kube_replacement){ plan->replace.v[i].from, plan->replace.v[i].to };
	qsort(list, plan->replace.n, sizeof *list, by_length);
	w->replace = list;
	w->n_replace = plan->replace.n;
	/* "https://[fd00::7]:2380" has brackets that no other host has. */
	for (size_t i = 0; i < w->n_replace; i++) {
		const bool from = address_read(str_from(list[i].from)).len == 16,
			   to = address_read(str_from(list[i].to)).len == 16;
		if (from != to)
			return err_set(e, ERR_USAGE,
				"replace: %s cannot become %s: only one of them is an address of "
				"version 6, which URLs have in brackets; change these files by "
				"hand",
				list[i].from, list[i].to);
	}
	/* A second time nothing may be left to replace. */
	for (size_t i = 0; i < w->n_replace; i++) {
		if (strcmp(kube_replaced(a, list[i].to, w), list[i].to))
			return err_set(e, ERR_USAGE,
				"replace: %s is to become %s, in which something is replaced "
				"again; choose a name or an address that is not replaced itself",
				list[i].from, list[i].to);
	}
	return 0;
}

/* The result of a file, which has to be the document that it was meant to become. */
static int result_of(struct buf *out, const struct kube_file *f, struct err *e)
{
	return kube_result(out, f, e) ? e->code : kube_check(f, buf_text(out), e);
}

/* Before anything is shown or written. */
static int check_results(const struct kube_files *files, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(4 * KUBE_FILE_MAX);

	for (const struct kube_file *f = files->first; f; f = f->next) {
		buf_clear(&out);
		if (f->n_changes && result_of(&out, f, e))
			return e->code;
	}
	return 0;
}

/* The plan has this node's member at another address than its files: these would have to be
 * changed everywhere, certificates too, which is what replace: does. */
static int check_own(struct plan_rewrite *r, const struct kube_cluster *c,
	const struct kube_wanted_cluster *wanted, struct err *e)
{
	struct arena *a = r->node.files->arena;
	const char *name = wanted->name ? wanted->name
			   : c->name    ? kube_replaced(a, c->name, &r->wanted)
					: NULL;
	const struct kube_member *own = NULL;
	const char *url = NULL;

	for (size_t i = 0; name && i < wanted->members.n; i++) {
		if (!strcmp(wanted->members.v[i].name, name))
			own = &wanted->members.v[i];
	}
	if (name && wanted->members.n && !own)
		kube_warn(&r->node, "%s: this node's member %s is not among the plan's, %s",
			c->what, name, kube_print_members(a, &wanted->members));
	for (size_t i = 0; own && i < c->peer_urls.n; i++) {
		url = kube_replaced(a, c->peer_urls.v[i], &r->wanted);
		for (size_t k = 0; k < own->urls.n; k++) {
			if (url_may_be(url, own->urls.v[k]))
				return 0;
		}
	}
	if (!url)
		return 0;
	return err_set(e, ERR_DECLINED,
		"%s: the plan has %s at %s, this disk's etcd is at %s; if the node has another "
		"address now, say so for all its files: replace: [{from: OLD, to: NEW}]; if not, "
		"correct peer: in cluster.members",
		c->what, name, own->urls.v[0], url);
}

int plan_rewrite(struct plan_rewrite *r, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, struct err *e)
{
	return plan_rewrite_decided(r, files, plan, machine, NULL, e);
}

int plan_rewrite_decided(struct plan_rewrite *r, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, const struct kube_wanted_cluster *decided,
	struct err *e)
{
	struct arena *a = files->arena;
	const bool forced = plan && plan->layout && strcmp(plan->layout, "auto");

	*r = (struct plan_rewrite){ .plan = plan };
	if (kube_node(&r->node, files, forced ? plan->layout : NULL, e))
		return e->code;
	if (plan_identify(&r->who, &r->node, plan, machine, e))
		return e->code;
	if (!plan)
		return 0;
	if (want_replacements(&r->wanted, a, plan, e))
		return e->code;
	struct kube_wanted_cluster *clusters =
		arena_array(a, r->node.n_clusters + 1, sizeof *clusters);
	for (size_t i = 0; i < r->node.n_clusters; i++) {
		const struct kube_cluster *c = &r->node.clusters[i];
		/* The plan's word, where it knows this machine. */
		clusters[i].name = r->who.member ? r->who.member->name : NULL;
		/* "tkn" and, of etcd-events, "tkn-events". */
		clusters[i].token = plan->cluster.token
					    ? arena_print(a, "%s%s", plan->cluster.token,
						      c->what + strlen("etcd"))
					    : NULL;
		/* Without members in the plan each list on the disk keeps its own, with what is
		 * replaced in it: two lists that differ are not made one here. */
		clusters[i].members = plan_members(a, c, plan);
		if (check_own(r, c, &clusters[i], e))
			return e->code;
		if (decided) {
			clusters[i].token = decided[i].token;
			clusters[i].members = decided[i].members;
			clusters[i].state = decided[i].state;
		}
	}
	r->wanted.clusters = clusters;
	return r->node.layout->rewrite(&r->node, &r->wanted, e) ? e->code : check_results(files, e);
}

static bool is_fence(const struct plan_rewrite *r, const struct kube_file *f)
{
	for (size_t i = 0; i < r->node.n_clusters; i++) {
		const char *fence = r->node.clusters[i].fence;
		if (fence && !strcmp(fence, f->path))
			return true;
	}
	return false;
}

enum pass { OTHERS, FENCES, PASSES };

int plan_rewrite_apply(size_t *done, const struct plan_rewrite *r, struct err *e)
{
	const struct kube_files *files = r->node.files;
	CLEAN_BUF struct buf out = BUF(4 * KUBE_FILE_MAX);

	*done = 0;
	for (enum pass pass = OTHERS; pass < PASSES; pass++) {
		for (const struct kube_file *f = files->first; f; f = f->next) {
			if (!f->n_changes || is_fence(r, f) != (pass == FENCES))
				continue;
			buf_clear(&out);
			if (result_of(&out, f, e) ||
				target_replace(files->root, f->path, buf_span(&out), e))
				return e->code;
			++*done;
		}
	}
	return 0;
}
