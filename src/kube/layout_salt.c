/* kube-up's salt masters: two etcds, for objects and for events, each a pod in JSON whose
 * command is one string for a shell, with the same values again as its environment. */
#include <string.h>

#include "kube/layout.h"
#include "kube/pod.h"
#include "kube/rewrite.h"

#define MANIFESTS "etc/kubernetes/manifests"

static const struct {
	const char *what, *path, *token;
} etcds[] = {
	{ "etcd", MANIFESTS "/etcd.manifest", "etcd-server" },
	{ "etcd-events", MANIFESTS "/etcd-events.manifest", "etcd-server-events" },
};
enum { ETCDS = sizeof etcds / sizeof *etcds };

static int read_node(struct kube_node *node, struct err *e)
{
	for (int i = 0; i < ETCDS; i++) {
		struct kube_pod_etcd etcd;
		struct kube_file *file;
		if (kube_file(&file, node->files, etcds[i].path, e)) {
			if (!i || err_forgive(e, ERR_NOTFOUND))
				return e->code;
			kube_warn(node, "no %s", etcds[i].path);
			continue;
		}
		if (kube_pod_etcd(&etcd, node->files, etcds[i].path, e))
			return e->code;
		struct kube_cluster *c = kube_add_cluster(node, etcds[i].what);
		c->token = etcds[i].token;
		if (kube_read_pod_etcd(c, &etcd, e))
			return e->code;
		c->fence = etcds[i].path;
	}
	node->name = node->clusters[0].name;
	return 0;
}

/* The environment repeats what the flags say, for scripts that run before etcd. */
static int rewrite_env(
	const struct kube_pod_etcd *etcd, const struct kube_wanted_cluster *wanted, struct err *e)
{
	struct kube_slot slot;

	if (wanted->members.n &&
		kube_pod_env(&slot, &etcd->pod, etcd->container, "INITIAL_CLUSTER") &&
		kube_slot_set(&slot,
			str_from(kube_print_members(slot.file->set->arena, &wanted->members)),
			"the members that are restored", e))
		return e->code;
	return 0;
}

static const char *const manifests[] = { ".manifest", ".json", ".yaml", NULL };
static const char *const texts[] = { "etc/default/kubelet", "etc/sysconfig/kubelet", "etc/hosts",
	"etc/hostname", NULL };
static const char *const documents[] = { "var/lib/kubelet/kubeconfig",
	"var/lib/kubelet/bootstrap-kubeconfig", "var/lib/kube-proxy/kubeconfig", NULL };

static int rewrite(struct kube_node *node, const struct kube_wanted *wanted, struct err *e)
{
	for (size_t i = 0; wanted->clusters && i < node->n_clusters; i++) {
		const struct kube_wanted_cluster *c = &wanted->clusters[i];
		struct kube_pod_etcd etcd;
		if (kube_pod_etcd(&etcd, node->files, node->clusters[i].fence, e) ||
			kube_rewrite_etcd(&etcd.args, &etcd.pod, etcd.container, c, e) ||
			rewrite_env(&etcd, c, e))
			return e->code;
	}
	if (kube_rewrite_replace_in(node->files, MANIFESTS, manifests, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(node->files, documents, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(node->files, texts, KUBE_TEXT, wanted, e))
		return e->code;
	return 0;
}

static const char *const markers[] = { MANIFESTS "/etcd.manifest", NULL };

const struct kube_layout kube_layout_salt = {
	.name = "salt",
	.token = "etcd-server",
	.markers = markers,
	.read = read_node,
	.rewrite = rewrite,
};
