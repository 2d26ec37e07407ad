#include "plan/stored.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "etcd/live.h"
#include "etcd/snapshot.h"
#include "kube/stored.h"
#include "os/file.h"

/* A cluster has 5000 nodes at the most. */
enum { STORED_MAX = 1000, CONFIG_MAX = 1 << 20, NODE_BYTES = 1 << 19 };

static const char ca_path[] = "etc/kubernetes/pki/ca.crt";

static void count(struct plan_stored *s, struct str resource, const struct kube_stored *object)
{
	struct plan_stored_kind *c = s->stored;

	while (c && !(str_is(resource, c->resource) && str_is(object->provider, c->provider) &&
			    str_is(object->key_name, c->key)))
		c = c->next;
	if (!c && s->n_stored == STORED_MAX)
		return;
	if (!c) {
		c = arena_alloc(s->arena, sizeof *c);
		*c = (struct plan_stored_kind){ arena_copy(s->arena, resource),
			arena_copy(s->arena, object->provider),
			arena_copy(s->arena, object->key_name), 0, s->stored };
		s->stored = c;
		s->n_stored++;
	}
	c->n++;
}

static void add_node(struct plan_stored *s, struct str name)
{
	const bool full = !(s->n_nodes & (s->n_nodes - 1)); /* 0, 1, 2, 4, .. */

	if (!name.len || name.len > 253 || s->node_bytes + name.len > NODE_BYTES)
		return;
	if (full) {
		const char **more = arena_array(s->arena, 2 * s->n_nodes + 1, sizeof *more);
		if (s->n_nodes)
			memcpy(more, s->nodes, s->n_nodes * sizeof *more);
		s->nodes = more;
	}
	s->nodes[s->n_nodes++] = arena_copy(s->arena, name);
	s->node_bytes += name.len;
}

static int add_key(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	struct plan_stored *s = ctx;
	struct str name;
	const struct str resource = kube_stored_resource(&name, kv->key);

	(void)e;
	if (!resource.len)
		return 0;
	if (str_is(resource, "minions"))
		add_node(s, name);
	const struct kube_stored object = kube_stored_read(kv->value);
	const bool secret = str_is(resource, "secrets"), map = str_is(resource, "configmaps");
	if (object.encrypted || secret)
		count(s, resource, &object);
	if (secret && str_is(name, "kube-system/kubeadm-certs")) {
		s->has_certs = true;
		s->certs_encrypted = object.encrypted;
		if (!object.encrypted && kv->value.len <= CONFIG_MAX)
			s->certs = (struct span){
				(const uint8_t *)arena_copy(s->arena,
					(struct str){ (const char *)kv->value.p, kv->value.len }),
				kv->value.len
			};
	}
	if (map && str_is(name, "kube-system/kubeadm-config") && !object.encrypted) {
		const struct str text = kube_stored_data(kv->value, "ClusterConfiguration");
		if (text.len <= CONFIG_MAX)
			s->cluster_configuration =
				(struct str){ arena_copy(s->arena, text), text.len };
	}
	if (map && str_is(name, "kube-system/kube-root-ca.crt") && !object.encrypted) {
		const struct str text = kube_stored_data(kv->value, "ca.crt");
		if (text.len <= CONFIG_MAX)
			s->root_ca = (struct str){ arena_copy(s->arena, text), text.len };
	}
	return 0;
}

struct etcd_live_visitor plan_stored_visitor(struct plan_stored *s, struct arena *a)
{
	*s = (struct plan_stored){ .arena = a };
	return (struct etcd_live_visitor){ add_key, s, false };
}

int plan_stored_file(struct plan_stored *s, struct arena *a, const char *path, struct err *e)
{
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	struct etcd_live_visitor visitor = plan_stored_visitor(s, a);
	struct etcd_status status = { 0 };

	if (etcd_snapshot_open(&file, AT_FDCWD, path, e))
		return e->code;
	if (etcd_live_walk(&file.db, 0, &visitor, e) || etcd_status_brief(&status, a, &file.db, e))
		return err_wrap(e, "%s", path);
	s->members = status.members;
	return 0;
}

/* The next certificate of a PEM text, its line ends taken out; false: there is none. */
static bool next_certificate(struct str *body, struct arena *a, struct str *text)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----",
			  end[] = "-----END CERTIFICATE-----";
	size_t at;

	if (!str_find(&at, *text, str_from(begin)))
		return false;
	*text = (struct str){ text->p + at + strlen(begin), text->len - at - strlen(begin) };
	if (!str_find(&at, *text, str_from(end)))
		return false;
	char *bare = arena_alloc(a, at + 1);
	size_t n = 0;
	for (size_t i = 0; i < at; i++) {
		if ((unsigned char)text->p[i] > ' ')
			bare[n++] = text->p[i];
	}
	*body = (struct str){ bare, n };
	*text = (struct str){ text->p + at, text->len - at };
	return true;
}

int plan_stored_same_cluster(
	const struct plan_stored *s, const struct kube_node *node, struct err *e)
{
	CLEAN_BUF struct buf pem = BUF(CONFIG_MAX);
	struct arena *a = s->arena;
	struct err none = { 0 };
	size_t compared = 0;
	struct str ours, theirs;

	if (!s->root_ca.len || file_read(&pem, node->files->root, ca_path, &none))
		return 0;
	for (struct str disk = buf_text(&pem); next_certificate(&ours, a, &disk);) {
		for (struct str text = s->root_ca; next_certificate(&theirs, a, &text);) {
			if (str_equal(ours, theirs))
				return 0;
			compared++;
		}
	}
	if (!compared)
		return 0;
	return err_set(e, ERR_DECLINED,
		"this snapshot is of another cluster: the CA in it (ConfigMap kube-root-ca.crt) is "
		"not the one in %s of this disk; `other-cluster: proceed` in the plan, or --force, "
		"restores it all the same",
		ca_path);
}

int plan_stored_judge(const struct plan_stored *s, struct kube_node *node, struct err *e)
{
	struct kube_encryption c;
	struct err why = { 0 };
	const struct plan_stored_kind *lost = NULL;
	const bool unread = kube_encryption(&c, node->files, &why);

	if (unread)
		kube_warn(node, "%s", why.text);
	for (const struct plan_stored_kind *o = s->stored; o; o = o->next) {
		const bool plain = !*o->provider;
		if (!unread && kube_encryption_reads(&c, str_from(o->provider), str_from(o->key)))
			continue;
		if (plain && !unread) {
			kube_warn(node,
				"%" PRIu64 " %s of the snapshot are not encrypted, and %s has no "
				"identity provider to read them with",
				o->n, o->resource, c.path);
		} else if (!plain) {
			kube_warn(node,
				"%" PRIu64 " %s of the snapshot are encrypted by %s with the key "
				"'%s', which %s",
				o->n, o->resource, o->provider, o->key,
				unread   ? "cannot be looked for"
				: c.path ? arena_print(s->arena, "is not in %s", c.path)
					 : "nothing gives to the API server of this disk: it has "
					   "no --encryption-provider-config");
			lost = o;
		}
	}
	if (s->has_certs)
		kube_warn(node,
			"the snapshot holds kubeadm-certs, the CAs' keys%s: it takes the "
			"certificate key that `kubeadm init --upload-certs` printed, and is "
			"deleted two hours after that",
			s->certs_encrypted ? " (and is encrypted in etcd besides)" : "");
	if (!lost)
		return 0;
	return err_set(e, ERR_MISMATCH,
		"%s of this snapshot could not be read: no key '%s' (%s) on the disk; bring back "
		"the EncryptionConfiguration of that time, or an API server starts that can read "
		"none of them",
		lost->resource, lost->key, lost->provider);
}
