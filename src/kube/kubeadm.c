#include "kube/kubeadm.h"

#include <string.h>

static const char *const versions[] = { "kubeadm.k8s.io/v1beta1", "kubeadm.k8s.io/v1beta2",
	"kubeadm.k8s.io/v1beta3", "kubeadm.k8s.io/v1beta4", NULL };

static bool is_known(struct str version)
{
	for (const char *const *v = versions; *v; v++) {
		if (str_is(version, *v))
			return true;
	}
	return false;
}

int kube_kubeadm(struct kube_kubeadm *c, struct kube_file *file, struct err *e)
{
	*c = (struct kube_kubeadm){ .file = file };
	if (kube_file_parse(file, DOC_YAML, e))
		return e->code;
	for (const struct doc_node *d = file->doc.root; d; d = d->next) {
		const struct str version = doc_text(d, "apiVersion"), kind = doc_text(d, "kind");
		const struct doc_node **spot = str_is(kind, "ClusterConfiguration") ? &c->cluster
					       : str_is(kind, "InitConfiguration")  ? &c->init
					       : str_is(kind, "JoinConfiguration")  ? &c->join
										    : NULL;
		/* The kubelet's and kube-proxy's configuration may follow. */
		if (!spot || !str_starts(version, STR("kubeadm.k8s.io/")))
			continue;
		if (!is_known(version))
			return kube_refuse(file, doc_get(d, "apiVersion")->start, e,
				"%.*s is not known here, v1beta1 to v1beta4 are", STR_ARG(version));
		if (*spot)
			return kube_refuse(file, d->start, e, "a second %.*s", STR_ARG(kind));
		if (kube_no_merges(file, d, e))
			return e->code;
		*spot = d;
	}
	return 0;
}

bool kube_kubeadm_arg(struct kube_slot *slot, const struct kube_kubeadm *c,
	const struct doc_node *document, const char *pointer, const char *name)
{
	const struct doc_node *args = document ? doc_find(document, pointer) : NULL, *value = NULL;

	if (args && args->kind == DOC_MAP)
		value = doc_get(args, name);
	for (const struct doc_node *a = args && args->kind == DOC_LIST ? args->first : NULL; a;
		a = a->next) {
		if (str_is(doc_text(a, "name"), name))
			value = doc_get(a, "value");
	}
	if (!value || value->kind != DOC_SCALAR || doc_is_null(value))
		return false;
	*slot = kube_slot_scalar(
		c->file, value, arena_print(c->file->set->arena, "%s of %s", name, pointer + 1));
	return true;
}

bool kube_kubeadm_text(struct kube_slot *slot, const struct kube_kubeadm *c,
	const struct doc_node *document, const char *pointer)
{
	const struct doc_node *value = document ? doc_find(document, pointer) : NULL;

	if (!value || value->kind != DOC_SCALAR || doc_is_null(value))
		return false;
	*slot = kube_slot_scalar(
		c->file, value, arena_copy(c->file->set->arena, str_from(pointer + 1)));
	return true;
}
