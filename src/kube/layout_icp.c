/* IBM Cloud Private: static pods in JSON below etc/cfc/pods; podbackup beside it is what an
 * attempt by hand leaves when it stops half-way. */
#include <string.h>

#include "kube/layout.h"
#include "kube/pod.h"
#include "kube/rewrite.h"

#define PODS   "etc/cfc/pods"
#define BACKUP "etc/cfc/podbackup"

static const char *etcd_path(const struct kube_files *files)
{
	return root_exists(files->root, PODS "/etcd.json") ? PODS "/etcd.json"
							   : BACKUP "/etcd.json";
}

static int read_node(struct kube_node *node, struct err *e)
{
	const char *path = etcd_path(node->files);
	struct kube_pod_etcd etcd;

	if (kube_pod_etcd(&etcd, node->files, path, e))
		return e->code;
	struct kube_cluster *c = kube_add_cluster(node, "etcd");
	if (kube_read_pod_etcd(c, &etcd, e))
		return e->code;
	/* Where the kubelet looks, wherever the file lies now. */
	c->fence = PODS "/etcd.json";
	if (!strcmp(path, BACKUP "/etcd.json"))
		kube_warn(node, "the pods lie in " BACKUP ": a recovery by hand was not finished");
	else if (root_exists(node->files->root, BACKUP "/etcd.json"))
		kube_warn(node, "etcd.json lies in " PODS " and in " BACKUP "; the first is taken");
	node->name = c->name;
	return 0;
}

static const char *const json[] = { ".json", NULL };
static const char *const documents[] = { "etc/cfc/kubelet/kubelet-config",
	"etc/cfc/kubelet/kubelet-config.yaml", "etc/cfc/conf/kubelet-config",
	"etc/cfc/conf/kube-scheduler-config.yaml",
	"etc/cfc/conf/kube-controller-manager-config.yaml", NULL };
static const char *const texts[] = { "etc/systemd/system/kubelet.service", "etc/hosts",
	"etc/hostname", NULL };

static int rewrite(struct kube_node *node, const struct kube_wanted *wanted, struct err *e)
{
	struct kube_files *files = node->files;
	struct kube_pod_etcd etcd;

	if (kube_pod_etcd(&etcd, files, etcd_path(files), e))
		return e->code;
	if (wanted->clusters &&
		kube_rewrite_etcd(&etcd.args, &etcd.pod, etcd.container, &wanted->clusters[0], e))
		return e->code;
	if (kube_rewrite_replace_in(files, PODS, json, KUBE_JSON, wanted, e) ||
		kube_rewrite_replace_in(files, BACKUP, json, KUBE_JSON, wanted, e))
		return e->code;
	return kube_rewrite_replace_all(files, documents, KUBE_YAML, wanted, e)
		       ? e->code
		       : kube_rewrite_replace_all(files, texts, KUBE_TEXT, wanted, e);
}

static const char *const markers[] = { PODS "/etcd.json", BACKUP "/etcd.json", NULL };

/* Management, proxy and worker nodes have a kubelet and its pods below etc/cfc, too.  The CA and
 * the client's certificate of etcd are on all of them, since the network is kept there. */
static const char *const bare[] = { "etc/cfc/kubelet", PODS, NULL };
static const char *const never[] = { BACKUP, PODS "/master.json", PODS "/k8s-master.json",
	PODS "/k8s-etcd.json", "etc/cfc/conf/etcd/server.pem", "etc/cfc/conf/etcd/server-key.pem",
	"etc/cfc/conf/etcd/member.pem", "etc/cfc/conf/etcd/member-key.pem", "var/lib/etcd",
	"var/lib/etcd-wal", NULL };

const struct kube_layout kube_layout_icp = {
	.name = "icp",
	.token = "etcd-cluster-1",
	.markers = markers,
	.bare = bare,
	.never = never,
	.read = read_node,
	.rewrite = rewrite,
};
