/* The certificates and kubeconfigs of a master, made again from the CAs that are left. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "cmd/plan_target.h"
#include "codec/json.h"
#include "kube/pki.h"
#include "kube/uploaded.h"
#include "os/clock.h"
#include "os/file.h"
#include "plan/bundle.h"
#include "plan/file.h"
#include "plan/fresh.h"
#include "plan/rewrite.h"
#include "plan/stored.h"
#include "target/file.h"

enum { OUTPUT_MAX = 1 << 20 };

struct certs_options {
	struct option_common common;
	const char *certificate_key;
	const char *root, *file, *bundle, *snapshot, *layout, *name, *address;
	bool dry_run;
};

static const char *const words[] = { "good", "issued", "lost", "absent" };

static int write_item(const struct root *root, const struct kube_pki_item *item, struct err *e)
{
	const struct {
		const char *path, *text;
		mode_t mode;
	} files[] = {
		/* The key first: a certificate without its key is worse than none. */
		{ item->key_path, item->key, 0600 },
		{ item->cert_path, item->cert, item->key_path ? 0644 : 0600 },
	};

	for (int i = 0; i < 2; i++) {
		const struct span text = { (const uint8_t *)files[i].text,
			files[i].text ? strlen(files[i].text) : 0 };
		if (!files[i].path || !files[i].text)
			continue;
		if (root_exists(root, files[i].path)
				? target_replace(root, files[i].path, text, e)
				: target_create(root, files[i].path, NULL, files[i].mode, text, e))
			return e->code;
	}
	return 0;
}

static int print(struct buf *out, const struct kube_pki *pki, const struct kube_pki_facts *f,
	bool as_json, struct err *e)
{
	struct json j = JSON(out);

	if (!as_json) {
		for (size_t i = 0; i < pki->n; i++) {
			const struct kube_pki_item *item = &pki->v[i];
			if (buf_print(out, e, "%-7s %s%s%s\n", words[item->state], item->path,
				    item->why ? ": " : "", item->why ? item->why : ""))
				return e->code;
		}
		return 0;
	}
	json_open(&j, '{');
	json_key_text(&j, "event", "certs");
	json_key_text(&j, "node", f->node);
	json_key_text(&j, "address", f->address);
	json_key_text(&j, "server", f->server);
	json_key_text(&j, "local_server", f->local_server);
	json_key(&j, "items");
	json_open(&j, '[');
	for (size_t i = 0; i < pki->n; i++) {
		json_open(&j, '{');
		json_key_text(&j, "path", pki->v[i].path);
		json_key_text(&j, "state", words[pki->v[i].state]);
		json_key_text(&j, "why", pki->v[i].why);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

/* What a fresh disk lacks, from the archive that is named; before anything is issued. */
static int unpack(struct app *app, const struct plan *said, const char *url,
	const struct root *root, struct err *e)
{
	const struct certs_options *o = app->options;
	CLEAN_SETTINGS struct settings settings = { 0 };
	struct plan_bundle bundle;
	struct plan plan;

	/* A plan of nothing but defaults, where none was given. */
	if (!said && plan_read(&plan, app->arena, STR("source: file:/\n"), "defaults", e))
		return e->code;
	if (settings_make(
		    &settings, app->arena, said ? said : &plan, &app->root, app->listener, e) ||
		plan_bundle_read(&bundle, app->arena, &settings, url, root, e))
		return e->code;
	event_info(app->listener, "certs", "%zu files in the bundle, %zu of them are here already",
		bundle.n, bundle.n_there);
	return o->dry_run ? 0 : plan_bundle_write(&bundle, root, e);
}

/* The CAs out of the snapshot, where the disk has none of that name. */
static int unseal(
	struct app *app, const struct plan_stored *snapshot, const struct root *root, struct err *e)
{
	const struct certs_options *o = app->options;
	CLEAN_BUF struct buf text = BUF(OUTPUT_MAX);
	uint8_t key[KUBE_CERTIFICATE_KEY];
	struct kube_uploaded uploaded;
	CLOSE_FD int fd = open(o->certificate_key, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "%s", o->certificate_key);
	if (!snapshot->certs.len)
		return err_set(e, ERR_NOTFOUND, "%s: holds no kubeadm-certs%s", o->snapshot,
			snapshot->has_certs ? " that can be read: it is encrypted in etcd" : "");
	if (file_read_fd(&text, fd, e) || kube_certificate_key(key, buf_text(&text), e) ||
		kube_uploaded(&uploaded, app->arena, snapshot->certs, key, e))
		return err_wrap(e, "%s", o->certificate_key);
	for (size_t i = 0; i < uploaded.n && !e->code; i++) {
		const struct kube_uploaded_file *f = &uploaded.v[i];
		const bool there = root_exists(root, f->path);
		event_info(app->listener, "certs", "%s: %s", f->path,
			there ? "here already" : "from the snapshot's kubeadm-certs");
		if (!there && !o->dry_run)
			target_create(root, f->path, NULL, f->mode, f->bytes, e);
	}
	kube_uploaded_forget(&uploaded);
	explicit_bzero(key, sizeof key);
	explicit_bzero(text.p, text.len);
	return e->code;
}

/* The control plane that is there; else, if that is what the person says, a kubeadm master that
 * is to come. */
static int look(struct plan_rewrite *r, bool *is_fresh, struct kube_files *files,
	const struct certs_options *o, const struct plan *plan,
	const struct etcd_known_member *known, struct err *e)
{
	const char *said = o->layout ? o->layout : plan ? plan->layout : NULL, *marker;
	const struct kube_layout *layout;
	struct err none = { 0 };

	const int found =
		kube_layout_find(&layout, &marker, files->root, files->arena, NULL, &none);
	*is_fresh = found == ERR_NOTFOUND;
	if (*is_fresh && said && !strcmp(said, kube_layout_kubeadm.name))
		return plan_fresh(r, files, plan, NULL, &(struct plan_fresh){ o->name, o->address },
			known, e);
	if (*is_fresh)
		return err_set(e, ERR_NOTFOUND,
			"%s; if this is a disk for a fresh kubeadm master, say --layout kubeadm",
			none.text);
	if (o->name || o->address)
		return err_set(e, ERR_USAGE,
			"--name and --address are for a disk without a control plane; what is here "
			"is renamed by replace: in the plan, in all its files");
	if (o->layout && !found && strcmp(o->layout, layout->name))
		return err_set(e, ERR_MISMATCH, "this is no %s, but %s (%s)", o->layout,
			layout->name, marker);
	return plan_rewrite(r, files, plan, NULL, e);
}

/* What its API server will not be able to read. */
static void judge_fresh(struct app *app, const struct plan_stored *snapshot, struct kube_node *node)
{
	struct err why = { 0 };

	plan_stored_judge(snapshot, node, &why);
	for (size_t i = 0; i < node->warnings.n; i++)
		event_warning(app->listener, "certs", "%s", node->warnings.v[i]);
}

static int make(struct app *app, struct kube_pki *pki, const struct root *root, struct err *e)
{
	const struct certs_options *o = app->options;
	struct kube_files files = kube_files(app->arena, root);
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct kube_pki_facts facts;
	struct plan_stored snapshot = { 0 };
	struct plan_rewrite r;
	struct plan plan;
	bool is_fresh;

	if (o->file && cmd_plan_file(&plan, app, o->file, e))
		return e->code;
	const char *bundle = o->bundle ? o->bundle : o->file ? plan.pki : NULL;
	/* The plan's own is for a fresh master alone. */
	if (bundle && (o->bundle || !root_exists(root, "etc/kubernetes/pki/ca.crt")) &&
		unpack(app, o->file ? &plan : NULL, bundle, root, e))
		return e->code;
	if (o->snapshot && plan_stored_file(&snapshot, app->arena, o->snapshot, e))
		return e->code;
	if (o->certificate_key && !o->snapshot)
		return err_set(e, ERR_USAGE, "--certificate-key goes with --snapshot");
	if (o->certificate_key && unseal(app, &snapshot, root, e))
		return e->code;
	if (o->snapshot && !snapshot.cluster_configuration.len)
		event_warning(app->listener, "certs", "%s: holds no kubeadm-config", o->snapshot);
	if (look(&r, &is_fresh, &files, o, o->file ? &plan : NULL, snapshot.members, e) ||
		(is_fresh && o->snapshot && plan_stored_same_cluster(&snapshot, &r.node, e)) ||
		kube_pki_facts(&facts, &r.node, &r.wanted, snapshot.cluster_configuration, e))
		return e->code;
	facts.listener = app->listener;
	facts.fresh = is_fresh;
	if (kube_pki(pki, &files, &facts, time(NULL), e))
		return e->code;
	for (size_t i = 0; !o->dry_run && i < pki->n; i++) {
		if (pki->v[i].state != KUBE_PKI_ISSUED)
			continue;
		if (write_item(root, &pki->v[i], e)) {
			app->status = 4; /* some may be new already; each is whole */
			return e->code;
		}
	}
	if (is_fresh && o->snapshot)
		judge_fresh(app, &snapshot, &r.node);
	return print(&out, pki, &facts, o->common.json, e) ? e->code : app_print(&out, e);
}

static int certs_run(struct app *app, struct err *e)
{
	const struct certs_options *o = app->options;
	CLEAN_ROOT struct root root = NO_ROOT;
	struct kube_pki pki = { 0 };
	struct clock_state clock;
	char now[32];

	if (!o->root)
		return err_set(e, ERR_USAGE, "certs needs --root DIR");
	clock_check(&clock, &app->root);
	if (!clock.believable) {
		clock_print(now, clock.now);
		return err_set(e, ERR_MISMATCH,
			"the clock says %s, which cannot be; certificates would be of no use: set "
			"it (etcd-rescue clock)",
			now);
	}
	if (root_open(&root, o->root, e))
		return e->code;
	const int status = make(app, &pki, &root, e);
	kube_pki_forget(&pki);
	if (status)
		return status;
	for (size_t i = 0; i < pki.n; i++) {
		if (pki.v[i].state == KUBE_PKI_ABSENT)
			event_warning(
				app->listener, "certs", "%s: %s", pki.v[i].path, pki.v[i].why);
		if (pki.v[i].state == KUBE_PKI_LOST)
			return err_set(e, ERR_NOTFOUND,
				"%s: %s; bring it back from a backup of etc/kubernetes (pki: in "
				"the plan)",
				pki.v[i].path, pki.v[i].why);
	}
	return 0;
}

static const struct option_row options[] = {
	{ "root", 0, OPTION_TEXT, offsetof(struct certs_options, root), "DIR",
		"where the disk of the control plane is mounted" },
	{ "file", 'f', OPTION_TEXT, offsetof(struct certs_options, file), "PLAN",
		"the plan: what names and addresses were replaced" },
	{ "bundle", 0, OPTION_TEXT, offsetof(struct certs_options, bundle), "URL",
		"first bring back what is missing from this archive of `collect` (the plan's "
		"pki:)" },
	{ "snapshot", 0, OPTION_TEXT, offsetof(struct certs_options, snapshot), "FILE",
		"what no file on the disk says (names, networks, version) from this snapshot's "
		"kubeadm-config" },
	{ "layout", 0, OPTION_TEXT, offsetof(struct certs_options, layout), "LAYOUT",
		"kubeadm: also for a disk on which no control plane is yet" },
	{ "name", 0, OPTION_TEXT, offsetof(struct certs_options, name), "NAME",
		"of such a node; else its host name, or who it is by the plan" },
	{ "address", 0, OPTION_TEXT, offsetof(struct certs_options, address), "IP",
		"of such a node; else its member's in plan or snapshot, or the disk's only one" },
	{ "certificate-key", 0, OPTION_TEXT, offsetof(struct certs_options, certificate_key),
		"FILE",
		"holds what `kubeadm init --upload-certs` printed: the CAs come from the "
		"snapshot's kubeadm-certs" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct certs_options, dry_run), NULL,
		"say what is good, what would be issued and what is lost; write nothing" },
	{ 0 },
};

const struct applet applet_certs = {
	.name = "certs",
	.purpose = "issue a master's missing certificates and kubeconfigs from its CAs",
	.about = "Looks at every certificate and kubeconfig that kubeadm makes: what is good "
		 "stays, what is\n"
		 "missing, has run out or lacks this node's names is issued anew by the CA on the "
		 "disk, with\n"
		 "kubeadm's subjects, names and usages. What no CA can bring back is named, and "
		 "ends it\n"
		 "with status 1.",
	.options = options,
	.options_size = sizeof(struct certs_options),
	.run = certs_run,
};
