/* kubeadm's stacked control plane: etcd is a static pod beside the others. */
#include <string.h>

#include "kube/layout.h"
#include "kube/pod.h"
#include "kube/rewrite.h"

#define MANIFESTS "etc/kubernetes/manifests"

static const char *host(
	const struct kube_pod *pod, const struct doc_node *container, const char *path)
{
	const char *there = path ? kube_pod_host_path(pod, container, str_from(path)) : NULL;

	return there ? there : path;
}

static int etcd_of(struct kube_pod *pod, const struct doc_node **container, struct kube_args *args,
	struct kube_files *files, struct err *e)
{
	struct kube_file *file;

	if (kube_file(&file, files, MANIFESTS "/etcd.yaml", e) || kube_pod(pod, file, e) ||
		kube_pod_runs(container, args, pod, "etcd", e))
		return e->code;
	return *container ? 0
			  : kube_refuse(
				    file, pod->pod->start, e, "no container of this pod runs etcd");
}

static int read_node(struct kube_node *node, struct err *e)
{
	const struct doc_node *container;
	struct kube_args args;
	struct kube_pod pod;

	if (etcd_of(&pod, &container, &args, node->files, e))
		return e->code;
	struct kube_cluster *c = kube_add_cluster(node, "etcd");
	kube_read_etcd(c, &args, &pod, container);
	if (!c->data_dir)
		return kube_refuse(pod.file, container->start, e, "etcd has no --data-dir");
	/* The pod's own paths are none of the host's unless they are mounted. */
	if (!kube_pod_host_path(&pod, container, str_from(c->data_dir)))
		return kube_refuse(pod.file, container->start, e,
			"--data-dir=%s is on no hostPath volume", c->data_dir);
	c->data_dir = host(&pod, container, c->data_dir);
	c->wal_dir = host(&pod, container, c->wal_dir);
	c->ca = host(&pod, container, c->ca);
	c->cert = host(&pod, container, c->cert);
	c->key = host(&pod, container, c->key);
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
	const struct doc_node *container;
	struct kube_args args;
	struct kube_pod pod;

	if (etcd_of(&pod, &container, &args, files, e))
		return e->code;
	if (wanted->clusters && kube_rewrite_etcd(&args, &pod, container, &wanted->clusters[0], e))
		return e->code;
	if (kube_rewrite_replace_in(files, MANIFESTS, all_yaml, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_in(files, "etc/kubernetes", all_conf, KUBE_YAML, wanted, e))
		return e->code;
	for (const char *const *p = documents; *p; p++) {
		if (kube_rewrite_replace(files, *p, KUBE_YAML, wanted, e))
			return e->code;
	}
	for (const char *const *p = texts; *p; p++) {
		if (kube_rewrite_replace(files, *p, KUBE_TEXT, wanted, e))
			return e->code;
	}
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
