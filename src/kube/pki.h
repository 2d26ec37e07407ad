/* kube/pki.h - the certificates and kubeconfigs of a kubeadm master: which there have to be, which
 * are good, and the missing ones issued from the CAs that are there
 *
 *   pki/apiserver                     kube-apiserver, for its own names and addresses
 *   pki/apiserver-kubelet-client      its client of kubelets
 *   pki/apiserver-etcd-client         its client of etcd
 *   pki/front-proxy-client            its client of extension servers
 *   pki/etcd/{server,peer,healthcheck-client}
 *   admin.conf super-admin.conf controller-manager.conf scheduler.conf kubelet.conf
 *
 * What is good is kept.  What cannot be made again is told: CAs without a key, sa.key.  The key
 * of a CA that nothing has to be issued of is absent, not lost: so it is with an external CA, and
 * with an etcd elsewhere.
 *
 * Source:     kubernetes cmd/kubeadm/app/phases/certs (certlist.go) and phases/kubeconfig, 1.13 to
 *             1.34: in 1.29 system:masters gave way to kubeadm:cluster-admins and left the
 *             clients of etcd; scheduler and controller-manager ask their own API server from
 *             1.20 on, the kubelet from 1.33 on; certificates are backdated by five minutes,
 *             not to their CA's first day, from 1.31 on, those in kubeconfigs never, whose keys
 *             are RSA up to 1.30.
 * Units:      seconds since 1970.
 * Ownership:  everything lives in the arena of the set of files.
 * Errors:     ERR_FORMAT and ERR_NOTFOUND for facts that are missing; those of kube/cert.h.
 */
#pragma once

#include "base/event.h"
#include "kube/cert.h"
#include "kube/layout.h"

/* What the certificates say of this node and cluster. */
struct kube_pki_facts {
	const char *node, *address; /* the Node object's name; the advertised address */
	const char *endpoint;       /* host of controlPlaneEndpoint; NULL: none */
	const char *endpoint_port;  /* "6443"; NULL: not said */
	const char *port;           /* of this node's API server */
	const char *server;         /* "https://10.0.0.1:6443", of the kubeconfigs */
	const char *local_server;   /* this node's own */
	const char *algorithm;      /* "RSA-3072": kubeadm's encryptionAlgorithm; NULL: not said */
	bool external_etcd;
	const char *service_address; /* the first one of the service network */
	const char *domain;          /* "cluster.local" */
	const char *cluster;         /* "kubernetes", of the kubeconfigs */
	struct kube_texts sans, etcd_server_sans, etcd_peer_sans;
	unsigned minor; /* of Kubernetes 1.x; 0: not known, taken as new */
	/* Hears of each key that is made, which with RSA takes seconds; set after kube_pki_facts.
	 */
	const struct listener *listener;
	bool foreign; /* its certificates are another master's: all are issued anew */
	bool fresh;   /* no control plane is here yet: what a master has beside is lost, too */
};

/* From the API server's manifest, kubeadm's files and the kubelet's on the disk; what those leave
 * open from `config`, a ClusterConfiguration that the cluster kept (empty: none). */
int kube_pki_facts(struct kube_pki_facts *facts, struct kube_node *node,
	const struct kube_wanted *wanted, struct str config, struct err *e);

enum kube_pki_state { KUBE_PKI_GOOD, KUBE_PKI_ISSUED, KUBE_PKI_LOST, KUBE_PKI_ABSENT };

struct kube_pki_item {
	const char *path; /* of the certificate or the kubeconfig, below the root */
	enum kube_pki_state state;
	const char *why; /* not good: what was wrong; lost: what is missing */
	const char *cert_path, *key_path;
	const char *cert, *key; /* issued: what to write; of a kubeconfig only `cert` */
};

struct kube_pki {
	struct kube_pki_item *v;
	size_t n;
};

/* Decides and issues; writes nothing. */
int kube_pki(struct kube_pki *pki, struct kube_files *files, const struct kube_pki_facts *facts,
	int64_t now, struct err *e);
/* Is this one of the certificates above, or a key of one: "etc/kubernetes/pki/apiserver.key"? */
bool kube_pki_is_leaf(const char *path);
/* Wipes the keys. */
void kube_pki_forget(struct kube_pki *pki);
