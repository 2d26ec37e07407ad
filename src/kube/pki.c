#include "kube/pki.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "kube/kubeconfig.h"
#include "os/file.h"

#define PKI "etc/kubernetes/pki/"
#define ETC "etc/kubernetes/"

enum { CONFIG_MAX = 1 << 18, V1BETA4_SINCE = 31, PREFERENCES_UNTIL = 34 };
enum sans { NO_SANS, API_SANS, ETCD_SERVER_SANS, ETCD_PEER_SANS };

/* From which version of 1.x to which (0: to this day) the organization is there. */
static const struct row {
	const char *name, *ca, *common_name; /* common_name NULL: the node's */
	const char *organization;
	unsigned since, until;
	bool server, client;
	enum sans sans;
	const char *later; /* the organization from `until` on */
} rows[] = {
	{ "apiserver", "ca", "kube-apiserver", NULL, 0, 0, true, false, API_SANS, NULL },
	{ "apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", "system:masters", 0,
		29, false, true, NO_SANS, "kubeadm:cluster-admins" },
	{ "apiserver-etcd-client", "etcd/ca", "kube-apiserver-etcd-client", "system:masters", 0, 29,
		false, true, NO_SANS, NULL },
	{ "front-proxy-client", "front-proxy-ca", "front-proxy-client", NULL, 0, 0, false, true,
		NO_SANS, NULL },
	{ "etcd/server", "etcd/ca", NULL, NULL, 0, 0, true, true, ETCD_SERVER_SANS, NULL },
	{ "etcd/peer", "etcd/ca", NULL, NULL, 0, 0, true, true, ETCD_PEER_SANS, NULL },
	{ "etcd/healthcheck-client", "etcd/ca", "kube-etcd-healthcheck-client", "system:masters", 0,
		29, false, true, NO_SANS, NULL },
};

static const struct config_row {
	const char *path, *user; /* "%s": the node's name */
	const char *organization, *later;
	unsigned since, until; /* of the file; of the first organization */
	unsigned local;        /* since when it asks this node's own API server; 0: never */
} configs[] = {
	{ ETC "admin.conf", "kubernetes-admin", "system:masters", "kubeadm:cluster-admins", 0, 29,
		0 },
	{ ETC "super-admin.conf", "kubernetes-super-admin", "system:masters", "system:masters", 29,
		0, 0 },
	{ ETC "controller-manager.conf", "system:kube-controller-manager", NULL, NULL, 0, 0, 20 },
	{ ETC "scheduler.conf", "system:kube-scheduler", NULL, NULL, 0, 0, 20 },
	{ ETC "kubelet.conf", "system:node:%s", "system:nodes", "system:nodes", 0, 0, 33 },
};
enum { ROWS = sizeof rows / sizeof *rows, CONFIGS = sizeof configs / sizeof *configs };

struct work {
	struct kube_files *files;
	struct arena *a;
	const struct kube_pki_facts *facts;
	struct kube_pki *pki;
	int64_t now;
	struct err *e;
};

static unsigned minor_of(const struct kube_pki_facts *f)
{
	return f->minor ? f->minor : UINT32_MAX;
}

static const char *organization_of(
	const struct kube_pki_facts *f, const char *first, const char *later, unsigned until)
{
	return until && minor_of(f) >= until ? later : first;
}

/* A file's bytes; empty when it is not there. */
static struct span read_file(struct work *w, const char *path)
{
	CLEAN_BUF struct buf b = BUF(CONFIG_MAX);
	struct err none = { 0 };

	if (file_read(&b, w->files->root, path, &none) || !b.len)
		return (struct span){ 0 };
	const struct span copy = { (const uint8_t *)arena_copy(w->a, buf_text(&b)), b.len };
	explicit_bzero(b.p, b.len);
	return copy;
}

static const char *const *sans_of(struct work *w, enum sans kind)
{
	const struct kube_pki_facts *f = w->facts;
	struct kube_texts t = { 0 };

	if (kind == NO_SANS)
		return NULL;
	kube_add_text(&t, w->a, f->node);
	if (kind == API_SANS)
		kube_add_text(&t, w->a, f->service_address);
	kube_add_text(&t, w->a, f->address);
	if (kind == API_SANS) {
		kube_add_text(&t, w->a, "kubernetes");
		kube_add_text(&t, w->a, "kubernetes.default");
		kube_add_text(&t, w->a, "kubernetes.default.svc");
		kube_add_text(&t, w->a, arena_print(w->a, "kubernetes.default.svc.%s", f->domain));
		if (f->endpoint)
			kube_add_text(&t, w->a, f->endpoint);
	} else {
		kube_add_text(&t, w->a, "localhost");
		kube_add_text(&t, w->a, "127.0.0.1");
		kube_add_text(&t, w->a, "::1");
	}
	const struct kube_texts *more = kind == API_SANS           ? &f->sans
					: kind == ETCD_SERVER_SANS ? &f->etcd_server_sans
								   : &f->etcd_peer_sans;
	for (size_t i = 0; i < more->n; i++)
		kube_add_text(&t, w->a, more->v[i]);
	kube_add_text(&t, w->a, ""); /* the end: replaced below */
	t.v[t.n - 1] = NULL;
	return t.v;
}

static void wipe(struct span s)
{
	if (s.len)
		explicit_bzero((void *)(uintptr_t)s.p, s.len);
}

/* NULL and `*why` when there is no such CA. */
static struct kube_ca *open_ca(const char **why, struct work *w, const char *name)
{
	const char *path = arena_print(w->a, PKI "%s.crt", name);
	const struct span cert = read_file(w, path);
	const struct span key = read_file(w, arena_print(w->a, PKI "%s.key", name));
	struct kube_ca *ca = NULL;
	struct err e = { 0 };

	if (!cert.len)
		*why = arena_print(w->a, "%s is missing", path);
	else if (kube_ca_open(&ca, cert, key, path, &e))
		*why = arena_copy(w->a, str_from(e.text));
	wipe(key);
	return ca;
}

/* Good, or issued, or lost. */
static void judge(struct kube_pki_item *item, struct work *w, const char *ca_name,
	const struct kube_leaf *leaf, struct span cert, struct span key)
{
	struct kube_ca *ca = open_ca(&item->why, w, ca_name);
	struct err e = { 0 };
	char *new_key;

	item->state = KUBE_PKI_LOST;
	if (!ca)
		return;
	if (!cert.len && !key.len)
		item->why = "it is missing";
	else if (w->facts->foreign)
		item->why = "it is another master's";
	else if (kube_leaf_is_good(&item->why, w->a, ca, cert, key, leaf))
		item->state = KUBE_PKI_GOOD;
	if (item->state != KUBE_PKI_GOOD) {
		event_info(w->facts->listener, "certs", "making a key for %s", item->path);
		if (kube_leaf_issue(&item->cert, &new_key, w->a, ca, leaf, &e)) {
			item->why = arena_print(w->a, "%s, and %s", item->why, e.text);
		} else {
			item->state = KUBE_PKI_ISSUED;
			item->key = new_key;
		}
	}
	kube_ca_close(ca);
}

static void do_row(struct work *w, const struct row *row)
{
	struct kube_pki_item *item = &w->pki->v[w->pki->n++];
	const char *cn = row->common_name ? row->common_name : w->facts->node;
	const struct kube_leaf leaf = { .common_name = cn,
		.organization =
			organization_of(w->facts, row->organization, row->later, row->until),
		.sans = sans_of(w, row->sans),
		.server = row->server,
		.client = row->client,
		.now = w->now,
		.from_ca = minor_of(w->facts) < V1BETA4_SINCE,
		.algorithm = w->facts->algorithm };

	item->path = item->cert_path = arena_print(w->a, PKI "%s.crt", row->name);
	item->key_path = arena_print(w->a, PKI "%s.key", row->name);
	const struct span key = read_file(w, item->key_path);
	judge(item, w, row->ca, &leaf, read_file(w, item->cert_path), key);
	wipe(key);
}

static int print_config(
	struct kube_pki_item *item, struct work *w, const struct config_row *row, const char *user)
{
	CLEAN_BUF struct buf out = BUF(CONFIG_MAX);
	const struct span ca = read_file(w, PKI "ca.crt");
	const unsigned minor = minor_of(w->facts);
	const bool local = row->local && minor >= row->local;
	const struct kube_kubeconfig config = { .cluster = w->facts->cluster,
		.server = local ? w->facts->local_server : w->facts->server,
		.preferences = minor < PREFERENCES_UNTIL,
		.user = user,
		.ca = { (const char *)ca.p, ca.len },
		.cert = str_from(item->cert),
		.key = str_from(item->key) };

	if (kube_kubeconfig_print(&out, &config, w->e))
		return w->e->code;
	explicit_bzero((void *)(uintptr_t)item->key, strlen(item->key));
	item->key = NULL;
	item->cert = arena_copy(w->a, buf_text(&out));
	explicit_bzero(out.p, out.len);
	return 0;
}

static int do_config(struct work *w, const struct config_row *row)
{
	struct kube_pki_item *item = &w->pki->v[w->pki->n++];
	const char *user = strcmp(row->user, "system:node:%s")
				   ? row->user
				   : arena_print(w->a, "system:node:%s", w->facts->node);
	const struct kube_leaf leaf = { .common_name = user,
		.organization =
			organization_of(w->facts, row->organization, row->later, row->until),
		.client = true,
		.now = w->now,
		.from_ca = true,
		.algorithm =
			minor_of(w->facts) < V1BETA4_SINCE ? "RSA-2048" : w->facts->algorithm };
	struct kube_kubeconfig config = { 0 };
	struct kube_file *file = NULL;
	struct err none = { 0 };
	const char *broken = NULL;

	item->path = item->cert_path = row->path;
	if (!kube_file(&file, w->files, row->path, &none) &&
		kube_kubeconfig_read(&config, file, &none))
		broken = arena_copy(w->a, str_from(none.text));
	struct span cert = { (const uint8_t *)config.cert.p, config.cert.len };
	struct span key = { (const uint8_t *)config.key.p, config.key.len };
	/* The kubelet keeps its own certificate elsewhere once it has one, which on a disk that
	 * was filled from another master's archive is not there, or that master's. */
	if (!cert.len && config.cert_file)
		cert = read_file(w, config.cert_file);
	if (!key.len && config.key_file)
		key = read_file(w, config.key_file);
	judge(item, w, "ca", &leaf, cert, key);
	wipe(key);
	if (broken && item->state == KUBE_PKI_ISSUED)
		item->why = broken;
	return item->state == KUBE_PKI_ISSUED ? print_config(item, w, row, user) : 0;
}

/* What only a backup can bring back.  The key of a CA is not lost when all of its certificates
 * are good: with an external CA it is nowhere on a master. */
static void look_for_lost(struct work *w)
{
	static const struct {
		const char *path, *why;
		bool ca;
	} keys[] = {
		{ PKI "sa.key", "without it every service account token is refused", false },
		{ PKI "sa.pub", "without it no service account token can be checked", false },
		{ PKI "ca.key", "without it no certificate of the cluster can be issued", true },
		{ PKI "etcd/ca.key", "without it no certificate of etcd can be issued", true },
		{ PKI "front-proxy-ca.key",
			"without it no certificate of the front proxy can be issued", true },
	};
	bool all_good = true;

	for (size_t i = 0; i < w->pki->n; i++)
		all_good = all_good && w->pki->v[i].state != KUBE_PKI_LOST;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (!root_exists(w->files->root, keys[i].path))
			w->pki->v[w->pki->n++] = (struct kube_pki_item){ .path = keys[i].path,
				.state = keys[i].ca && all_good ? KUBE_PKI_ABSENT : KUBE_PKI_LOST,
				.why = arena_print(w->a, "it is missing; %s", keys[i].why) };
	}
}

/* Nobody makes up how a cluster's API server is started. */
static void look_for_pods(struct work *w)
{
	static const char *const paths[] = { ETC "manifests/kube-apiserver.yaml",
		ETC "manifests/kube-controller-manager.yaml", ETC "manifests/kube-scheduler.yaml",
		ETC "manifests/etcd.yaml", "var/lib/kubelet/config.yaml",
		"var/lib/kubelet/kubeadm-flags.env" };

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		if (root_exists(w->files->root, paths[i]))
			continue;
		w->pki->v[w->pki->n++] = (struct kube_pki_item){ .path = paths[i],
			.state = KUBE_PKI_LOST,
			.why = "it is missing and cannot be made up; the archive that `collect` "
			       "makes on a healthy master brings it (--bundle)" };
	}
}

/* An etcd elsewhere: only what was put here by hand is looked at. */
static bool is_wanted(const struct work *w, const struct row *row)
{
	const struct root *root = w->files->root;

	return !w->facts->external_etcd || strcmp(row->ca, "etcd/ca") ||
	       root_exists(root, PKI "etcd/ca.key") ||
	       root_exists(root, arena_print(w->a, PKI "%s.crt", row->name));
}

int kube_pki(struct kube_pki *pki, struct kube_files *files, const struct kube_pki_facts *facts,
	int64_t now, struct err *e)
{
	struct work w = { files, files->arena, facts, pki, now, e };

	*pki = (struct kube_pki){ arena_array(w.a, ROWS + CONFIGS + 16, sizeof *pki->v), 0 };
	for (int i = 0; i < ROWS; i++) {
		if (is_wanted(&w, &rows[i]))
			do_row(&w, &rows[i]);
	}
	for (int i = 0; i < CONFIGS; i++) {
		if (configs[i].since && facts->minor && facts->minor < configs[i].since)
			continue;
		if (do_config(&w, &configs[i]))
			return e->code;
	}
	look_for_lost(&w);
	if (facts->fresh)
		look_for_pods(&w);
	return 0;
}

bool kube_pki_is_leaf(const char *path)
{
	if (strncmp(path, PKI, strlen(PKI)))
		return false;
	path += strlen(PKI);
	for (int i = 0; i < ROWS; i++) {
		const size_t len = strlen(rows[i].name);
		if (!strncmp(path, rows[i].name, len) &&
			(!strcmp(path + len, ".crt") || !strcmp(path + len, ".key")))
			return true;
	}
	return false;
}

void kube_pki_forget(struct kube_pki *pki)
{
	for (size_t i = 0; i < pki->n; i++) {
		struct kube_pki_item *item = &pki->v[i];
		if (item->key)
			explicit_bzero((void *)(uintptr_t)item->key, strlen(item->key));
		if (item->cert && !item->key_path)
			explicit_bzero((void *)(uintptr_t)item->cert, strlen(item->cert));
	}
}
