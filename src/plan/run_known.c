/* Whom the first boot may let in, and with what it is let in itself. */
#include <stdlib.h>
#include <string.h>

#include "plan/finish_record.h"
#include "plan/run.h"

#define RESOURCES "etc/kubernetes/static-pod-resources/"
/* Of system:admin, which the API server's operator lays down on each master. */
#define LOCAL     RESOURCES "kube-apiserver-certs/secrets/node-kubeconfigs/"
/* Of system:masters up to 4.3, with a token of cluster-admin's from 4.4 on. */
#define SYNCER    "kube-apiserver-cert-syncer-kubeconfig/kubeconfig"

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The Nodes of the snapshot, sorted. */
static void set_known(struct finish_record *record, struct run *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_clusters; i++)
		n += r->clusters[i].stored.n_nodes;
	record->known = (struct kube_texts){ arena_array(r->arena, n + 1, sizeof(char *)), 0 };
	for (size_t i = 0; i < r->n_clusters; i++) {
		const struct plan_stored *s = &r->clusters[i].stored;
		for (size_t k = 0; k < s->n_nodes; k++)
			record->known.v[record->known.n++] = s->nodes[k];
	}
	qsort(record->known.v, record->known.n, sizeof *record->known.v, by_bytes);
}

void run_known(struct finish_record *record, struct run *r)
{
	static const char *openshift[] = { LOCAL "localhost.kubeconfig", LOCAL "lb-int.kubeconfig",
		RESOURCES "kube-apiserver-pod-*/configmaps/" SYNCER,
		RESOURCES "kube-controller-manager-pod-*/configmaps/controller-manager-kubeconfig/"
			  "kubeconfig",
		"var/roothome/.kube/config", "var/home/core/.kube/config",
		"etc/kubernetes/kubeconfig", "var/lib/kubelet/kubeconfig" };

	set_known(record, r);
	if (str_starts(str_from(record->layout), STR("openshift-")))
		record->kubeconfigs =
			(struct kube_texts){ openshift, sizeof openshift / sizeof *openshift };
}
