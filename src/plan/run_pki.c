/* A node that changed its name or address, or whose certificates ran out while it lay dead, gets
 * new ones from the CAs on its disk; what is good stays. */
#include <string.h>
#include <time.h>

#include "os/clock.h"
#include "plan/run.h"

static const char step[] = "rewrite";

/* The other layouts' certificates come from elsewhere: their operators, or the backup. */
static bool is_kubeadms(const struct run *r)
{
	const struct kube_layout *layout = r->rewrite.node.layout;

	return (layout == &kube_layout_kubeadm || layout == &kube_layout_csm) &&
	       root_exists(r->site.target.files.root, "etc/kubernetes/pki");
}

static int check_clock(const struct run *r, struct err *e)
{
	struct clock_state clock;
	char now[32];

	clock_check(&clock, r->machine);
	if (clock.believable)
		return 0;
	clock_print(now, clock.now);
	return err_set(e, ERR_MISMATCH,
		"certificates have to be issued, and the clock says %s, which cannot be; set it "
		"(etcd-rescue clock), or name a time server in the plan (ntp:)",
		now);
}

static int judge(struct run *r, struct err *e)
{
	const struct kube_pki_item *lost = NULL;
	size_t issued = 0;

	for (size_t i = 0; i < r->pki.n; i++) {
		const struct kube_pki_item *item = &r->pki.v[i];
		if (item->state == KUBE_PKI_ABSENT || item->state == KUBE_PKI_LOST)
			event_warning(r->listener, step, "%s: %s", item->path, item->why);
		if (item->state == KUBE_PKI_ISSUED)
			event_info(
				r->listener, step, "%s is issued anew: %s", item->path, item->why);
		issued += item->state == KUBE_PKI_ISSUED;
		if (item->state == KUBE_PKI_LOST && !lost)
			lost = item;
	}
	if (issued && check_clock(r, e))
		return e->code;
	if (!lost || r->force)
		return 0;
	r->outcome = RUN_REFUSED;
	return err_set(e, ERR_DECLINED,
		"%s: %s; bring it back from a backup of etc/kubernetes/pki (pki: in the plan), or "
		"--force restores without it",
		lost->path, lost->why);
}

int run_pki(struct run *r, struct err *e)
{
	const struct kube_node *node = &r->rewrite.node;
	struct kube_pki_facts facts;

	if (!is_kubeadms(r))
		return 0;
	if (kube_pki_facts(&facts, &r->rewrite.node, &r->rewrite.wanted,
		    r->clusters[0].stored.cluster_configuration, e)) {
		/* Without a new name or address the old ones may do as they did before. */
		if (r->rewrite.wanted.n_replace || r->fresh)
			return e->code;
		event_warning(r->listener, step, "certificates are not looked at: %s", e->text);
		*e = (struct err){ 0 };
		return 0;
	}
	facts.fresh = facts.foreign = r->fresh;
	return kube_pki(&r->pki, node->files, &facts, time(NULL), e) ? e->code : judge(r, e);
}

const char *run_pki_text(const struct run *r, const char *path)
{
	path += *path == '/';
	for (size_t i = 0; i < r->pki.n; i++) {
		const struct kube_pki_item *item = &r->pki.v[i];
		if (item->state != KUBE_PKI_ISSUED)
			continue;
		if (item->cert_path && !strcmp(item->cert_path, path))
			return item->cert;
		if (item->key_path && !strcmp(item->key_path, path))
			return item->key;
	}
	return NULL;
}

/* The file is written whole, whatever else was to be changed in it. */
bool run_pki_has(const struct run *r, const char *path)
{
	return run_pki_text(r, path);
}

static int add(struct run *r, const char *path, const char *text, unsigned mode, struct err *e)
{
	struct commit_file file = { .mode = mode };

	if (!path || !text)
		return 0;
	file.content = (struct span){ (const uint8_t *)text, strlen(text) };
	return site_file(&file.place, &r->site, path, e) ? e->code
							 : commit_add_file(&r->commit, &file, e);
}

int run_pki_files(struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->pki.n; i++) {
		const struct kube_pki_item *item = &r->pki.v[i];
		if (item->state != KUBE_PKI_ISSUED)
			continue;
		if (add(r, item->key_path, item->key, 0600, e) ||
			add(r, item->cert_path, item->cert, item->key_path ? 0644 : 0600, e))
			return e->code;
	}
	return 0;
}
