/* OpenShift 4.4 and later: a pod of numbered revisions whose environment knows every master,
 * NODE_<name with _ for all but letters and digits>_{ETCD_NAME,ETCD_URL_HOST,IP}. */
#include <string.h>

#include "kube/layout.h"
#include "kube/pod.h"
#include "kube/rewrite.h"

#define MANIFESTS "etc/kubernetes/manifests"
#define MANIFEST  MANIFESTS "/etcd-pod.yaml"
#define STOPPED   "home/core/assets/manifests-stopped/etcd-pod.yaml"

static const char *const places[] = { MANIFEST, STOPPED, NULL };

static const char *manifest(const struct kube_files *files)
{
	return kube_exists(files, MANIFEST) ? MANIFEST : STOPPED;
}

static const char *env_of(const struct kube_pod_etcd *etcd, struct str node, const char *end)
{
	struct arena *a = etcd->pod.file->set->arena;
	struct kube_slot slot;

	return kube_pod_env(&slot, &etcd->pod, etcd->container,
		       arena_print(a, "NODE_%.*s_%s", STR_ARG(node), end))
		       ? arena_copy(a, slot.value)
		       : NULL;
}

/* A master for each NODE_.._ETCD_NAME. */
static void read_members(struct kube_node *node, struct kube_cluster *c,
	const struct kube_pod_etcd *etcd, const char *own)
{
	struct arena *a = node->files->arena;
	const struct doc_node *env = doc_get(etcd->container, "env");

	for (const struct doc_node *v = env && env->kind == DOC_LIST ? env->first : NULL; v;
		v = v->next) {
		struct str name = doc_text(v, "name");
		if (!str_starts(name, STR("NODE_")) || !str_ends(name, STR("_ETCD_NAME")))
			continue;
		name = (struct str){ name.p + 5, name.len - strlen("NODE__ETCD_NAME") };
		const char *member = env_of(etcd, name, "ETCD_NAME");
		const char *host = env_of(etcd, name, "ETCD_URL_HOST"),
			   *ip = env_of(etcd, name, "IP");
		if (!member || !(host || ip))
			continue;
		/* An IPv6 host has its brackets already. */
		const char *url = arena_print(a, "https://%s:2380", host ? host : ip);
		kube_read_members(&c->members, a, str_from(arena_print(a, "%s=%s", member, url)));
		if (!own || strcmp(member, own))
			continue;
		kube_add_text(&c->peer_urls, a, url);
		kube_add_text(
			&c->client_urls, a, arena_print(a, "https://%s:2379", host ? host : ip));
		if (ip)
			kube_add_text(&node->addresses, a, ip);
	}
}

static const char *flag(
	const struct kube_pod_etcd *etcd, const struct kube_args *args, const char *name)
{
	struct kube_slot slot;

	return kube_flag(&slot, args, name) && slot.fixed
		       ? arena_copy(etcd->pod.file->set->arena, slot.value)
		       : NULL;
}

static int read_node(struct kube_node *node, struct err *e)
{
	const char *path = manifest(node->files), *text;
	struct kube_pod_etcd etcd;

	if (kube_pod_etcd(&etcd, node->files, path, e))
		return e->code;
	struct kube_cluster *c = kube_add_cluster(node, "etcd");
	c->name = flag(&etcd, &etcd.script, "target-name");
	if (!c->name)
		return kube_refuse(etcd.pod.file, etcd.container->start, e,
			"no --target-name of discover-etcd-initial-cluster tells who this node is");
	read_members(node, c, &etcd, c->name);
	text = kube_pod_host_path(&etcd.pod, etcd.container, STR("/var/lib/etcd"));
	c->data_dir = text ? text : "/var/lib/etcd";
	const char *const certs[] = { flag(&etcd, &etcd.args, "peer-trusted-ca-file"),
		flag(&etcd, &etcd.args, "peer-cert-file"),
		flag(&etcd, &etcd.args, "peer-key-file") };
	const char **const spots[] = { &c->ca, &c->cert, &c->key };
	for (int i = 0; i < 3; i++) {
		if (certs[i])
			*spots[i] =
				kube_pod_host_path(&etcd.pod, etcd.container, str_from(certs[i]));
	}
	c->fence = MANIFEST;
	node->name = c->name;
	if (strcmp(path, MANIFEST))
		kube_warn(
			node, "the manifest lies in %s: a recovery by hand was not finished", path);
	return 0;
}

static const char *const yaml[] = { ".yaml", NULL };
static const char *const texts[] = { "etc/hosts", "etc/hostname",
	"etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts/etcd.env", NULL };
static const char *const documents[] = { "etc/kubernetes/kubeconfig", "var/lib/kubelet/kubeconfig",
	NULL };

/* Name and members are worked out by the pod itself, from variables that are replaced. */
static int rewrite_state(struct kube_files *files, const char *state, struct err *e)
{
	struct kube_pod_etcd etcd;
	struct kube_slot slot;

	if (!state)
		return 0;
	if (kube_pod_etcd(&etcd, files, manifest(files), e))
		return e->code;
	if (!kube_pod_env(&slot, &etcd.pod, etcd.container, "ETCD_INITIAL_CLUSTER_STATE"))
		return kube_rewrite_no_state(etcd.pod.file, etcd.container->start, state, e);
	return kube_slot_set(&slot, str_from(state), "how this member comes into the cluster", e);
}

static int rewrite(struct kube_node *node, const struct kube_wanted *wanted, struct err *e)
{
	struct kube_files *files = node->files;

	if (wanted->clusters && rewrite_state(files, wanted->clusters[0].state, e))
		return e->code;
	if (kube_rewrite_replace(files, manifest(files), KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_in(files, MANIFESTS, yaml, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(files, documents, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(files, texts, KUBE_TEXT, wanted, e))
		return e->code;
	return 0;
}

const struct kube_layout kube_layout_openshift46 = {
	.name = "openshift-4.6",
	.token = "openshift-etcd",
	.markers = places,
	.read = read_node,
	.rewrite = rewrite,
};
