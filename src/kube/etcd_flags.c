/* What etcd's flags say, and saying it anew. */
#include <string.h>

#include "kube/rewrite.h"

/* A flag, or the environment variable of the same meaning: etcd reads ETCD_ and the flag's
 * name in capitals; a flag wins. */
static bool find(struct kube_slot *slot, const struct kube_args *args, const struct kube_pod *pod,
	const struct doc_node *container, const char *name)
{
	char env[64] = "ETCD_";

	if (args && kube_flag(slot, args, name))
		return true;
	if (!pod)
		return false;
	for (size_t i = 0; name[i] && i + 6 < sizeof env; i++)
		env[i + 5] = name[i] == '-' ? '_' : (char)(name[i] >= 'a' ? name[i] - 32 : name[i]);
	return kube_pod_env(slot, pod, container, env);
}

static const char *text_of(const struct kube_args *args, const struct kube_pod *pod,
	const struct doc_node *container, struct arena *a, const char *name)
{
	struct kube_slot slot;

	return find(&slot, args, pod, container, name) && slot.fixed ? arena_copy(a, slot.value)
								     : NULL;
}

void kube_read_etcd(struct kube_cluster *c, const struct kube_args *args,
	const struct kube_pod *pod, const struct doc_node *container)
{
	struct arena *a = pod       ? pod->file->set->arena
			  : args->n ? args->v[0].file->set->arena
				    : NULL;
	const char *text;

	if (!a)
		return;
	c->name = text_of(args, pod, container, a, "name");
	if ((text = text_of(args, pod, container, a, "initial-advertise-peer-urls")))
		kube_read_urls(&c->peer_urls, a, str_from(text));
	if ((text = text_of(args, pod, container, a, "advertise-client-urls")))
		kube_read_urls(&c->client_urls, a, str_from(text));
	if ((text = text_of(args, pod, container, a, "initial-cluster")))
		kube_read_members(&c->members, a, str_from(text));
	if ((text = text_of(args, pod, container, a, "initial-cluster-token")))
		c->token = text;
	c->data_dir = text_of(args, pod, container, a, "data-dir");
	c->wal_dir = text_of(args, pod, container, a, "wal-dir");
	c->ca = text_of(args, pod, container, a, "peer-trusted-ca-file");
	c->cert = text_of(args, pod, container, a, "peer-cert-file");
	c->key = text_of(args, pod, container, a, "peer-key-file");
}

static const char *host(const struct kube_pod_etcd *etcd, const char *path)
{
	const char *there =
		path ? kube_pod_host_path(&etcd->pod, etcd->container, str_from(path)) : NULL;

	return there ? there : path;
}

int kube_read_pod_etcd(struct kube_cluster *c, const struct kube_pod_etcd *etcd, struct err *e)
{
	const struct kube_pod *pod = &etcd->pod;
	const size_t at = etcd->container->start;

	kube_read_etcd(c, &etcd->args, pod, etcd->container);
	if (!c->data_dir)
		return kube_refuse(pod->file, at, e, "etcd has no --data-dir");
	/* The pod's own paths are none of the host's unless they are mounted. */
	const char *const dirs[] = { c->data_dir, c->wal_dir };
	for (int i = 0; i < 2; i++) {
		if (dirs[i] && !kube_pod_host_path(pod, etcd->container, str_from(dirs[i])))
			return kube_refuse(
				pod->file, at, e, "%s of etcd is on no hostPath volume", dirs[i]);
	}
	c->data_dir = host(etcd, c->data_dir);
	c->wal_dir = host(etcd, c->wal_dir);
	c->ca = host(etcd, c->ca);
	c->cert = host(etcd, c->cert);
	c->key = host(etcd, c->key);
	return 0;
}

static int set(const struct kube_args *args, const struct kube_pod *pod,
	const struct doc_node *container, const char *name, const char *value, const char *why,
	struct err *e)
{
	struct kube_slot slot;

	if (!value || !find(&slot, args, pod, container, name))
		return 0;
	return kube_slot_set(&slot, str_from(value), why, e);
}

int kube_rewrite_no_state(const struct kube_file *file, size_t at, const char *state, struct err *e)
{
	if (!state || !strcmp(state, "new"))
		return 0;
	return kube_refuse(file, at, e,
		"etcd is told no --initial-cluster-state here, and so would found a cluster of its "
		"own; add --initial-cluster-state=%s (or ETCD_INITIAL_CLUSTER_STATE)",
		state);
}

int kube_rewrite_etcd(const struct kube_args *args, const struct kube_pod *pod,
	const struct doc_node *container, const struct kube_wanted_cluster *wanted, struct err *e)
{
	struct arena *a = pod ? pod->file->set->arena : args->v[0].file->set->arena;
	const char *members = wanted->members.n ? kube_print_members(a, &wanted->members) : NULL;

	struct kube_slot slot;

	const bool said = find(&slot, args, pod, container, "initial-cluster-state");
	/* kubeadm's first master has no such flag, and comes back into a cluster as any other. */
	if (wanted->state && !said && strcmp(wanted->state, "new") &&
		kube_args_add(args, "initial-cluster",
			arena_print(a, "--initial-cluster-state=%s", wanted->state),
			"how this member comes into the cluster", e))
		return e->code;
	return set(args, pod, container, "name", wanted->name, "this node's member", e) ||
			       set(args, pod, container, "initial-cluster-state", wanted->state,
				       "how this member comes into the cluster", e) ||
			       set(args, pod, container, "initial-cluster", members,
				       "the members that are restored", e) ||
			       set(args, pod, container, "initial-cluster-token", wanted->token,
				       "the token that is restored with", e)
		       ? e->code
		       : 0;
}
