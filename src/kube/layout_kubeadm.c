/* kubeadm's stacked control plane: etcd is a static pod beside the others. */
#include <string.h>

#include "kube/layout.h"
#include "kube/pod.h"
#include "kube/rewrite.h"

#define MANIFESTS "etc/kubernetes/manifests"

static int read_node(struct kube_node *node, struct err *e)
{
	struct kube_pod_etcd etcd;

	if (kube_pod_etcd(&etcd, node->files, MANIFESTS "/etcd.yaml", e))
		return e->code;
	struct kube_cluster *c = kube_add_cluster(node, "etcd");
	if (kube_read_pod_etcd(c, &etcd, e))
		return e->code;
	c->fence = MANIFESTS "/etcd.yaml";
	/* The first master's manifest lists only itself, the later ones those before them. */
	c->partial = true;
	node->name = c->name;
	return 0;
}

static const char *const all_yaml[] = { ".yaml", ".yml", ".json", NULL };
static const char *const all_conf[] = { ".conf", NULL };
static const char *const documents[] = { "etc/kubernetes/kubeadm.yaml",
	"etc/kubernetes/kubeadm-config.yaml", "etc/kubernetes/kubeadmcfg.yaml",
	"var/lib/kubelet/config.yaml", "var/lib/kubelet/instance-config.yaml", "root/.kube/config",
	NULL };
static const char *const texts[] = { "var/lib/kubelet/kubeadm-flags.env", "etc/default/kubelet",
	"etc/sysconfig/kubelet", "etc/hosts", "etc/hostname", NULL };

static int rewrite(struct kube_node *node, const struct kube_wanted *wanted, struct err *e)
{
	struct kube_files *files = node->files;
	struct kube_pod_etcd etcd;

	if (kube_pod_etcd(&etcd, files, MANIFESTS "/etcd.yaml", e))
		return e->code;
	if (wanted->clusters &&
		kube_rewrite_etcd(&etcd.args, &etcd.pod, etcd.container, &wanted->clusters[0], e))
		return e->code;
	if (kube_rewrite_replace_in(files, MANIFESTS, all_yaml, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_in(files, "etc/kubernetes", all_conf, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(files, documents, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(files, texts, KUBE_TEXT, wanted, e))
		return e->code;
	return 0;
}

static const char *const markers[] = { MANIFESTS "/etcd.yaml", NULL };

const struct kube_layout kube_layout_kubeadm = {
	.name = "kubeadm",
	.token = "etcd-cluster",
	.markers = markers,
	.read = read_node,
	.rewrite = rewrite,
};
