/* Certificates of an OpenShift 4.2 master that joins: its own signer served them once, as a pod
 * that somebody had to start; here the CA in the snapshot signs them, and no signer runs. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "codec/address.h"
#include "etcd/live.h"
#include "etcd/snapshot.h"
#include "kube/cert.h"
#include "kube/pod.h"
#include "kube/stored.h"
#include "net/url.h"
#include "os/clock.h"
#include "os/file.h"
#include "plan/fetch.h"
#include "plan/run.h"

enum { SECRET_MAX = 1 << 20, LIFETIME = 26280 * 3600 };

static const char step[] = "rewrite";

static const struct kind {
	const char *name, *organization, *signer, *ca;
	bool inside; /* asked by the names of the service, too */
} kinds[] = {
	{ "server", "system:etcd-servers", "etcd-signer", "ca.crt", true },
	{ "peer", "system:etcd-peers", "etcd-signer", "ca.crt", false },
	{ "metric", "system:etcd-metrics", "etcd-metric-signer", "metric-ca.crt", true },
};

enum { KINDS = sizeof kinds / sizeof *kinds };

struct signing {
	struct run *r;
	const char *dir, *dns; /* where they lie; by which name they are called */
	const struct bolt_db *db;
};

static const char *file_of(const struct signing *s, const struct kind *k, const char *end)
{
	return arena_print(s->r->arena, "%s/system:etcd-%s:%s.%s", s->dir, k->name, s->dns, end);
}

static bool has_all(const struct signing *s)
{
	const struct kube_files *files = &s->r->site.target.files;

	for (int i = 0; i < KINDS; i++) {
		if (!kube_exists(files, file_of(s, &kinds[i], "crt")) ||
			!kube_exists(files, file_of(s, &kinds[i], "key")))
			return false;
	}
	return true;
}

/* What its pod has as /etc/ssl/etcd. */
static int own_directory(const char **dir, const struct run *r, struct err *e)
{
	const struct kube_node *node = &r->rewrite.node;
	struct kube_pod_etcd etcd;

	if (kube_pod_etcd(&etcd, node->files, node->marker, e))
		return e->code;
	*dir = kube_pod_host_path(&etcd.pod, etcd.container, STR("/etc/ssl/etcd"));
	if (!*dir)
		return err_set(e, ERR_UNSUPPORTED,
			"%s mounts nothing at /etc/ssl/etcd, so where its certificates belong is "
			"not known",
			node->marker);
	*dir += **dir == '/';
	return 0;
}

/* "etcd-1.ocp.example.org", by which its certificates are called. */
static int own_name(const char **dns, const struct run *r, struct err *e)
{
	struct url url;

	*dns = NULL;
	for (size_t i = 0; i < r->clusters[0].own_urls.n && !*dns; i++) {
		if (url_parse(&url, str_from(r->clusters[0].own_urls.v[i]), e))
			return e->code;
		if (!address_read(url.host).len)
			*dns = arena_copy(r->arena, url.host);
	}
	return *dns ? 0
		    : err_set(e, ERR_DECLINED,
			      "certificates of this master are called after its name in the DNS "
			      "(etcd-1.ocp.example.org), and its peer URL has none; write that "
			      "into the plan: cluster.members");
}

int run_signer_ca(struct kube_ca **ca, struct str *cert, struct arena *a, const struct bolt_db *db,
	const char *secret, struct err *e)
{
	CLEAN_BUF struct buf value = BUF(SECRET_MAX);
	const char *name = arena_print(a, "/kubernetes.io/secrets/%s", secret);
	struct etcd_live_key key;

	if (etcd_live_get(
		    &key, &value, db, (struct span){ (const uint8_t *)name, strlen(name) }, 0, e))
		return e->code;
	if (!key.found)
		return err_set(e, ERR_NOTFOUND, "the snapshot holds no %s", name);
	if (kube_stored_read(key.kv.value).encrypted)
		return err_set(e, ERR_UNSUPPORTED, "%s is encrypted in the snapshot", name);
	*cert = kube_stored_data(key.kv.value, "tls.crt");
	const struct str private = kube_stored_data(key.kv.value, "tls.key");
	const struct span c = { (const uint8_t *)cert->p, cert->len },
			  k = { (const uint8_t *)private.p, private.len };
	const int bad = kube_ca_open(ca, c, k, name, e);
	*cert = (struct str){ arena_copy(a, *cert), cert->len };
	if (value.p)
		explicit_bzero(value.p, value.room);
	return bad;
}

static int read_ca(struct kube_ca **ca, struct str *cert, const struct signing *s,
	const char *signer, struct err *e)
{
	struct arena *a = s->r->arena;
	struct err why = { 0 };

	if (!run_signer_ca(ca, cert, a, s->db, arena_print(a, "openshift-config/%s", signer), &why))
		return 0;
	if (why.code == ERR_NOTFOUND)
		return err_set(e, why.code,
			"%s, whose key certificates of this master would be signed with", why.text);
	if (why.code == ERR_UNSUPPORTED)
		return err_set(e, why.code,
			"%s; put this master's certificates into /%s, then start again", why.text,
			s->dir);
	*e = why;
	return e->code;
}

/* What the others and its own pods call it by. */
static const char *const *sans_of(const struct signing *s, const struct kind *k)
{
	const struct run *r = s->r;
	const struct identity *id = &r->rewrite.who.identity;
	const char *dot = strchr(s->dns, '.');
	struct kube_texts sans = { 0 };
	struct arena *a = r->arena;

	kube_add_text(&sans, a, s->dns);
	if (dot)
		kube_add_text(&sans, a, arena_print(a, "*%s", dot));
	kube_add_text(&sans, a, "localhost");
	if (k->inside) {
		kube_add_text(&sans, a, "etcd.kube-system.svc");
		kube_add_text(&sans, a, "etcd.kube-system.svc.cluster.local");
		kube_add_text(&sans, a, "etcd.openshift-etcd.svc");
		kube_add_text(&sans, a, "etcd.openshift-etcd.svc.cluster.local");
	}
	kube_add_text(&sans, a, "127.0.0.1");
	for (size_t i = 0; i < id->n; i++) {
		if (id->v[i].what == IDENTITY_ADDRESS && !id->v[i].disagrees &&
			address_read(str_from(id->v[i].value)).len)
			kube_add_text(&sans, a, id->v[i].value);
	}
	for (size_t i = 0; r->who && i < r->who->addresses.n; i++)
		kube_add_text(&sans, a, r->who->addresses.v[i]);
	const char **list = arena_array(a, sans.n + 1, sizeof *list);
	memcpy(list, sans.v, sans.n * sizeof *list);
	return list;
}

static int add(struct run *r, const char *path, struct str text, unsigned mode, struct err *e)
{
	const struct commit_place none = { 0 };
	struct commit_file file = {
		.place = none, .content = { (const uint8_t *)text.p, text.len }, .mode = mode
	};

	return site_file(&file.place, &r->site, path, e) ? e->code
							 : commit_add_file(&r->commit, &file, e);
}

/* Does the CA that is there, or one of several in that file, believe what was issued? */
static int check_ca(bool *write, const struct signing *s, const struct kind *k, const char *path,
	const char *cert, const char *key, const struct kube_leaf *leaf, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(KUBE_FILE_MAX);
	const struct span c = { (const uint8_t *)cert, strlen(cert) },
			  p = { (const uint8_t *)key, strlen(key) };
	struct run *r = s->r;
	struct kube_ca *there = NULL;
	struct err none = { 0 };
	const char *inside, *why;

	*write = !kube_exists(&r->site.target.files, path);
	if (*write)
		return 0;
	const struct root *root = kube_below(&inside, &r->site.target.files, path);
	if (file_read(&text, root, inside, e))
		return e->code;
	const bool good = !kube_ca_open(&there, buf_span(&text), (struct span){ 0 }, path, &none) &&
			  kube_leaf_is_good(&why, r->arena, there, c, p, leaf);
	kube_ca_close(there);
	if (good)
		return 0;
	if (!r->force) {
		r->outcome = RUN_REFUSED;
		return err_set(e, ERR_DECLINED,
			"/%s is not of the snapshot's %s, which has to issue this master's "
			"certificates: snapshot or disk are of another cluster; choose another "
			"snapshot, or, if this one is right, take the file away, or start again "
			"with --force, which replaces it",
			path, k->signer);
	}
	*write = true;
	event_warning(r->listener, step, "/%s is of another CA and replaced by the snapshot's %s",
		path, k->signer);
	return 0;
}

static int issue(const struct signing *s, const struct kind *k, struct err *e)
{
	struct run *r = s->r;
	const char *ca_path = arena_print(r->arena, "%s/%s", s->dir, k->ca);
	const struct kube_leaf leaf = {
		.common_name = arena_print(r->arena, "system:etcd-%s:%s", k->name, s->dns),
		.organization = k->organization,
		.sans = sans_of(s, k),
		.server = true,
		.client = true,
		.now = time(NULL),
		.lifetime = LIFETIME,
	};
	struct kube_ca *ca = NULL;
	const char *cert;
	struct str ca_cert;
	char *key = NULL;
	bool write = false;

	int bad = read_ca(&ca, &ca_cert, s, k->signer, e) ||
		  kube_leaf_issue(&cert, &key, r->arena, ca, &leaf, e) ||
		  check_ca(&write, s, k, ca_path, cert, key, &leaf, e) ||
		  add(r, file_of(s, k, "crt"), str_from(cert), 0644, e) ||
		  add(r, file_of(s, k, "key"), str_from(key), 0600, e);
	if (key)
		explicit_bzero(key, strlen(key));
	kube_ca_close(ca);
	/* Two kinds have one CA, and one of them writes it. */
	if (!bad && write && strcmp(k->name, "peer") != 0)
		bad = add(r, ca_path, ca_cert, 0644, e);
	if (!bad)
		event_info(r->listener, step, "%s is issued by %s of the snapshot",
			file_of(s, k, "crt"), k->signer);
	return bad;
}

static int check_clock(const struct run *r, struct err *e)
{
	struct clock_state clock;

	clock_check(&clock, r->machine);
	return clock.believable
		       ? 0
		       : err_set(e, ERR_MISMATCH,
				 "certificates have to be issued, and the clock cannot be "
				 "right; set it (etcd-rescue clock), or name a time server in "
				 "the plan (ntp:)");
}

int run_signer(struct run *r, struct err *e)
{
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	CLEAN_HELD struct fetch_held held = NO_HELD;
	const struct fetch_wish wish = { .to = arena_print(r->arena,
						 "/proc/self/fd/%d/%s/signer.db",
						 r->site.roots[0].root->fd, r->site.state),
		.stopped = r->stopped,
		.ctx = r->ctx };
	struct signing s = { .r = r };

	if (r->rewrite.node.layout != &kube_layout_openshift42)
		return 0;
	if (own_directory(&s.dir, r, e) || own_name(&s.dns, r, e))
		return e->code;
	if (has_all(&s))
		return 0;
	if (check_clock(r, e) || run_choose(r, e))
		return err_wrap(e, "certificates of this master");
	/* Its own folder of the archive went with it; the one who lives has one, called after the
	 * node where the member is etcd-member-NODE. */
	if (r->plan->recovery_host) {
		const char *host = r->plan->recovery_host;
		const size_t len = strlen("etcd-member-");
		r->choose.wish.catalogue.node =
			strncmp(host, "etcd-member-", len) != 0 ? host : host + len;
	}
	if (fetch_hold(&held, &r->choose, &wish, e) ||
		etcd_snapshot_open(&file, AT_FDCWD, held.path, e))
		return err_wrap(e, "certificates of this master");
	s.db = &file.db;
	if (!identity_of(&r->rewrite.who.identity, IDENTITY_ADDRESS))
		event_warning(r->listener, step,
			"which address this master has stands nowhere, so its certificates name "
			"%s alone; the kernel line says it (ip=)",
			s.dns);
	for (int i = 0; i < KINDS; i++) {
		if (issue(&s, &kinds[i], e))
			return e->code;
	}
	/* Where the first boot finds what to ask with. */
	struct kube_cluster *c = &r->site.target.node.clusters[0];
	c->ca = arena_print(r->arena, "/%s/ca.crt", s.dir);
	c->cert = arena_print(r->arena, "/%s", file_of(&s, &kinds[1], "crt"));
	c->key = arena_print(r->arena, "/%s", file_of(&s, &kinds[1], "key"));
	return 0;
}
