#include "kube/encryption.h"

#include <string.h>

#include "kube/pod.h"
#include "os/file.h"

enum { CONFIG_MAX = 1 << 20, TREE_MAX = 32 << 20, KEYS_MAX = 1000 };

/* As the operator of OpenShift mounts it. */
#define OPENSHIFT_FILE                                                                             \
	"/etc/kubernetes/static-pod-resources/secrets/encryption-config/encryption-config"

const char *kube_encryption_path(struct kube_files *files)
{
	static const char *const manifests[] = { "etc/kubernetes/manifests/kube-apiserver.yaml",
		"etc/kubernetes/manifests/kube-apiserver.manifest",
		"etc/kubernetes/manifests/kube-apiserver.json",
		"etc/kubernetes/manifests/kube-apiserver-pod.yaml", "etc/cfc/pods/master.json",
		NULL };
	const struct doc_node *container;
	struct kube_file *file;
	struct kube_pod pod;
	struct kube_args args;
	struct kube_slot slot;

	for (const char *const *m = manifests; *m; m++) {
		struct err none = { 0 };
		if (kube_file(&file, files, *m, &none) || kube_pod(&pod, file, &none))
			continue;
		const bool runs =
			!kube_pod_runs(&container, &args, &pod, "kube-apiserver", &none) &&
			container;
		if (runs && (kube_flag(&slot, &args, "encryption-provider-config") ||
				    kube_flag(&slot, &args,
					    "experimental-encryption-provider-config"))) {
			const char *path = kube_pod_host_path(&pod, container, slot.value);
			path = path ? path : arena_copy(files->arena, slot.value);
			return path + strspn(path, "/");
		}
		/* OpenShift has its flags in a file of their own. */
		const struct doc_node *list = doc_get(pod.spec, "containers");
		const char *path =
			list && list->kind == DOC_LIST && list->first
				? kube_pod_host_path(&pod, list->first, STR(OPENSHIFT_FILE))
				: NULL;
		if (path && root_exists(files->root, path + strspn(path, "/")))
			return path + strspn(path, "/");
	}
	return NULL;
}

struct reader {
	struct kube_encryption *c;
	struct arena *a;
	const char *name;
	struct err *e;
};

static int refuse(struct reader *r, const struct doc_node *at, const char *why)
{
	return err_set(r->e, ERR_FORMAT, "%s:%u:%u: %s", r->name, at->line, at->column, why);
}

static int add(struct reader *r, const struct doc_node *at, struct str kind, struct str name)
{
	struct kube_encryption *c = r->c;

	if (c->n == KEYS_MAX)
		return refuse(r, at, "more keys than any API server has");
	c->keys[c->n++] =
		(struct kube_encryption_key){ arena_copy(r->a, kind), arena_copy(r->a, name) };
	return 0;
}

static int add_named(struct reader *r, const struct doc_node *map, struct str kind)
{
	const struct doc_node *name = doc_get(map, "name");

	if (!name || name->kind != DOC_SCALAR || !name->text.len)
		return refuse(r, map, "here a name is missing");
	return add(r, map, kind, name->text);
}

/* aescbc: {keys: [{name: .., secret: ..}]}; kms: {name: ..}; identity: {} */
static int read_provider(struct reader *r, const struct doc_node *provider)
{
	if (provider->kind != DOC_MAP || provider->n != 1)
		return refuse(r, provider, "a provider is one name with what belongs to it");
	const struct doc_node *value = provider->first;
	const struct str kind = value->key->text;
	if (str_is(kind, "identity")) {
		r->c->identity = true;
		return 0;
	}
	if (str_is(kind, "kms"))
		return add_named(r, value, kind);
	const struct doc_node *keys = doc_get(value, "keys");
	if (!keys || keys->kind != DOC_LIST)
		return refuse(r, value, "no keys: this is a provider that is not known");
	for (const struct doc_node *k = keys->first; k; k = k->next) {
		if (add_named(r, k, kind))
			return r->e->code;
	}
	return 0;
}

static int read_tree(struct reader *r, const struct doc_node *root)
{
	const struct doc_node *list = doc_get(root, "resources");

	if (!list || list->kind != DOC_LIST)
		return err_set(r->e, ERR_FORMAT, "%s: is no EncryptionConfiguration", r->name);
	for (const struct doc_node *c = list->first; c; c = c->next) {
		const struct doc_node *providers = doc_get(c, "providers");
		if (!providers || providers->kind != DOC_LIST)
			return refuse(r, c, "no list of providers");
		for (const struct doc_node *p = providers->first; p; p = p->next) {
			if (read_provider(r, p))
				return r->e->code;
		}
	}
	return 0;
}

int kube_encryption_parse(struct kube_encryption *c, struct arena *a, struct str text,
	const char *name, struct err *e)
{
	struct arena tree = ARENA(TREE_MAX); /* wiped when it is freed */
	struct reader r = { c, a, name, e };
	struct doc doc;

	*c = (struct kube_encryption){ .path = name,
		.keys = arena_array(a, KEYS_MAX, sizeof *c->keys) };
	const int status = doc_parse(&doc, &tree, text, name, DOC_YAML, DOC_LIMITS, e)
				   ? (int)e->code
				   : read_tree(&r, doc.root);
	arena_free(&tree);
	return status;
}

int kube_encryption(struct kube_encryption *c, struct kube_files *files, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(CONFIG_MAX);
	const char *path = kube_encryption_path(files);

	*c = (struct kube_encryption){ .path = path, .identity = !path };
	if (!path)
		return 0;
	if (file_read(&text, files->root, path, e))
		return err_wrap(e, "the API server's --encryption-provider-config");
	return kube_encryption_parse(c, files->arena, buf_text(&text), path, e);
}

bool kube_encryption_reads(const struct kube_encryption *c, struct str provider, struct str key)
{
	struct str kind, version;

	if (!provider.len)
		return c->identity;
	str_cut(&kind, &version, provider, ' ');
	/* "aescbc:v1", as the prefix in etcd has it. */
	str_cut(&kind, &version, kind, ':');
	for (size_t i = 0; i < c->n; i++) {
		if (str_is(kind, c->keys[i].kind) && str_is(key, c->keys[i].name))
			return true;
	}
	return false;
}
