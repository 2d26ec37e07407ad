/* What certificates have to say, from what is on the disk. */
#include <arpa/inet.h>
#include <string.h>

#include "kube/kubeadm.h"
#include "kube/kubeconfig.h"
#include "kube/pki.h"
#include "kube/pod.h"
#include "kube/rewrite.h"

struct reader {
	struct kube_pki_facts *facts;
	struct kube_files *files;
	struct arena *a;
	const struct kube_wanted *wanted;
};

static const char *replaced(struct reader *r, struct str text)
{
	const char *copy = arena_copy(r->a, text);

	return r->wanted ? kube_replaced(r->a, copy, r->wanted) : copy;
}

/* The first address of "10.96.0.0/12" is 10.96.0.1; of two networks the first one counts. */
static const char *first_address(struct arena *a, struct str network)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16] = { 0 };
	struct str first, rest, host, width;
	uint64_t bits;

	str_cut(&first, &rest, network, ',');
	const bool has_width = str_cut(&host, &width, str_trim(first), '/');
	const char *name = arena_copy(a, str_trim(host));
	const int family = strchr(name, ':') ? AF_INET6 : AF_INET;
	const size_t len = family == AF_INET ? 4 : 16;
	if (inet_pton(family, name, bytes) != 1 || !has_width ||
		!str_u64(&bits, str_trim(width), 10, len * 8))
		return NULL;
	for (size_t bit = bits; bit < len * 8; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	for (size_t i = len; i-- > 0 && !++bytes[i];)
		;
	return inet_ntop(family, bytes, text, sizeof text) ? arena_copy(a, str_from(text)) : NULL;
}

/* "registry.k8s.io/kube-apiserver:v1.29.3" and "v1.29.3" are 29. */
static unsigned minor_of(struct str version)
{
	size_t at;
	struct str rest, number, tail;
	uint64_t v;

	if (!str_find(&at, version, STR("v1.")))
		return 0;
	rest = (struct str){ version.p + at + 3, version.len - at - 3 };
	str_cut(&number, &tail, rest, '.');
	return str_u64(&v, number, 10, 1000) ? (unsigned)v : 0;
}

static void add_list(
	struct reader *r, struct kube_texts *texts, const struct doc_node *doc, const char *pointer)
{
	const struct doc_node *list = doc ? doc_find(doc, pointer) : NULL;

	for (const struct doc_node *c = list && list->kind == DOC_LIST ? list->first : NULL; c;
		c = c->next) {
		if (c->kind == DOC_SCALAR && c->text.len)
			kube_add_text(texts, r->a, replaced(r, c->text));
	}
}

/* "host:6443", "[::1]:6443", "host", "::1" */
static void read_endpoint(struct reader *r, struct str endpoint)
{
	struct str host, rest, more, none;

	if (endpoint.len && endpoint.p[0] == '[') {
		str_cut(&host, &rest, (struct str){ endpoint.p + 1, endpoint.len - 1 }, ']');
		rest = str_starts(rest, STR(":")) ? (struct str){ rest.p + 1, rest.len - 1 }
						  : (struct str){ 0 };
	} else if (!str_cut(&host, &rest, endpoint, ':') || str_cut(&more, &none, rest, ':')) {
		host = endpoint;
		rest = (struct str){ 0 };
	}
	r->facts->endpoint = replaced(r, host);
	r->facts->endpoint_port = rest.len ? arena_copy(r->a, rest) : NULL;
}

static const char *url_of(struct arena *a, const char *host, const char *port)
{
	return arena_print(a, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
}

/* An empty text says as little as none. */
static bool says(struct kube_slot *slot, const struct kube_kubeadm *k,
	const struct doc_node *document, const char *pointer)
{
	return kube_kubeadm_text(slot, k, document, pointer) && slot->value.len;
}

static void read_kubeadm(struct reader *r, struct kube_file *file)
{
	struct kube_pki_facts *f = r->facts;
	struct kube_kubeadm k;
	struct kube_slot slot;
	struct err none = { 0 };

	if (kube_kubeadm(&k, file, &none))
		return;
	if (!f->endpoint && says(&slot, &k, k.cluster, "/controlPlaneEndpoint"))
		read_endpoint(r, slot.value);
	if (!f->domain && says(&slot, &k, k.cluster, "/networking/dnsDomain"))
		f->domain = arena_copy(r->a, slot.value);
	if (!f->service_address && says(&slot, &k, k.cluster, "/networking/serviceSubnet"))
		f->service_address = first_address(r->a, slot.value);
	if (!f->cluster && says(&slot, &k, k.cluster, "/clusterName"))
		f->cluster = arena_copy(r->a, slot.value);
	if (!f->minor && says(&slot, &k, k.cluster, "/kubernetesVersion"))
		f->minor = minor_of(slot.value);
	if (!f->address && says(&slot, &k, k.init, "/localAPIEndpoint/advertiseAddress"))
		f->address = replaced(r, slot.value);
	if (!f->port && says(&slot, &k, k.init, "/localAPIEndpoint/bindPort"))
		f->port = arena_copy(r->a, slot.value);
	if (!f->algorithm && says(&slot, &k, k.cluster, "/encryptionAlgorithm"))
		f->algorithm = arena_copy(r->a, slot.value);
	if (k.cluster && doc_find(k.cluster, "/etcd/external"))
		f->external_etcd = true;
	add_list(r, &f->sans, k.cluster, "/apiServer/certSANs");
	add_list(r, &f->etcd_server_sans, k.cluster, "/etcd/local/serverCertSANs");
	add_list(r, &f->etcd_peer_sans, k.cluster, "/etcd/local/peerCertSANs");
}

static void read_apiserver(struct reader *r)
{
	struct kube_pki_facts *f = r->facts;
	const struct doc_node *container, *image;
	struct kube_file *file;
	struct kube_pod pod;
	struct kube_args args;
	struct kube_slot slot;
	struct err none = { 0 };

	if (kube_file(&file, r->files, "etc/kubernetes/manifests/kube-apiserver.yaml", &none) ||
		kube_pod(&pod, file, &none) ||
		kube_pod_runs(&container, &args, &pod, "kube-apiserver", &none) || !container)
		return;
	if (kube_flag(&slot, &args, "advertise-address"))
		f->address = replaced(r, slot.value);
	if (kube_flag(&slot, &args, "service-cluster-ip-range"))
		f->service_address = first_address(r->a, slot.value);
	if (kube_flag(&slot, &args, "secure-port"))
		f->port = arena_copy(r->a, slot.value);
	image = doc_get(container, "image");
	if (image && image->kind == DOC_SCALAR)
		f->minor = minor_of(image->text);
}

/* Host of a URL, or address of "https://10.0.0.1:2380". */
static const char *address_of(struct arena *a, const char *url)
{
	const char *p = strstr(url, "://");
	size_t len;

	p = p ? p + 3 : url;
	if (*p == '[')
		return arena_copy(a, (struct str){ p + 1, strcspn(p + 1, "]") });
	len = strcspn(p, ":/");
	return arena_copy(a, (struct str){ p, len });
}

/* What the kubeconfigs that are there say already. */
static const char *read_server(struct reader *r, const char *const *paths)
{
	struct kube_kubeconfig config = { 0 };
	struct kube_file *file;
	struct err none = { 0 };

	for (const char *const *p = paths; *p; p++) {
		if (kube_file(&file, r->files, *p, &none) ||
			kube_kubeconfig_read(&config, file, &none) || !*config.server)
			continue;
		if (!r->facts->cluster)
			r->facts->cluster = config.cluster;
		return replaced(r, str_from(config.server));
	}
	return NULL;
}

int kube_pki_facts(struct kube_pki_facts *f, struct kube_node *node,
	const struct kube_wanted *wanted, struct str config, struct err *e)
{
	struct kube_file stored = { .set = node->files, .path = "kubeadm-config", .text = config };
	struct kube_file *file;
	struct reader r = { f, node->files, node->files->arena, wanted };
	static const char *const kubeadm[] = { "etc/kubernetes/kubeadm.yaml",
		"etc/kubernetes/kubeadm-config.yaml", "etc/kubernetes/kubeadmcfg.yaml",
		"etc/cray/kubernetes/kubeadm.yaml", NULL };

	static const char *const shared[] = { "etc/kubernetes/admin.conf",
		"etc/kubernetes/super-admin.conf", NULL };
	static const char *const kubelet[] = { "etc/kubernetes/kubelet.conf", NULL };
	static const char *const local[] = { "etc/kubernetes/controller-manager.conf",
		"etc/kubernetes/scheduler.conf", NULL };

	*f = (struct kube_pki_facts){ 0 };
	read_apiserver(&r);
	for (const char *const *p = kubeadm; *p; p++) {
		struct err none = { 0 };
		if (!kube_file(&file, node->files, *p, &none))
			read_kubeadm(&r, file);
	}
	/* What the disk says comes first; no list is made of both. */
	if (config.len && !f->sans.n && !f->etcd_server_sans.n && !f->etcd_peer_sans.n)
		read_kubeadm(&r, &stored);
	f->server = read_server(&r, shared);
	if (!f->server && !f->endpoint)
		f->server = read_server(&r, kubelet);
	f->local_server = read_server(&r, local);
	if (node->name)
		f->node = replaced(&r, str_from(node->name));
	if (!f->address && node->n_clusters && node->clusters[0].peer_urls.n)
		f->address =
			replaced(&r, str_from(address_of(r.a, node->clusters[0].peer_urls.v[0])));
	if (!f->domain)
		f->domain = "cluster.local";
	if (!f->service_address)
		f->service_address = "10.96.0.1"; /* kubeadm's default network */
	if (!f->cluster)
		f->cluster = "kubernetes";
	if (!f->node || !f->address)
		return err_set(e, ERR_NOTFOUND, "nothing on the disk tells this node's %s",
			f->node ? "address" : "name");
	if (!f->port)
		f->port = "6443";
	if (!f->server)
		f->server = url_of(r.a, f->endpoint ? f->endpoint : f->address,
			f->endpoint && f->endpoint_port ? f->endpoint_port : f->port);
	if (!f->local_server)
		f->local_server = url_of(r.a, f->address, f->port);
	return 0;
}
