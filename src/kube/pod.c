#include "kube/pod.h"

#include <string.h>

int kube_pod(struct kube_pod *pod, struct kube_file *file, struct err *e)
{
	if (kube_file_parse(file, DOC_YAML, e))
		return e->code;
	const struct doc_node *root = file->doc.root, *kind = doc_get(root, "kind");
	*pod = (struct kube_pod){ file, root, doc_get(root, "spec") };
	if (!kind || kind->kind != DOC_SCALAR || !str_is(kind->text, "Pod"))
		return kube_refuse(file, root ? root->start : 0, e, "this is no pod");
	if (!pod->spec || pod->spec->kind != DOC_MAP)
		return kube_refuse(file, root->start, e, "this pod has no spec");
	return kube_no_merges(file, root, e);
}

int kube_pod_runs(const struct doc_node **container, struct kube_args *args,
	const struct kube_pod *pod, const char *program, struct err *e)
{
	static const char *const lists[] = { "containers", "initContainers" };
	struct kube_args script;

	*container = NULL;
	for (int i = 0; i < 2; i++) {
		const struct doc_node *list = doc_get(pod->spec, lists[i]);
		if (list && list->kind != DOC_LIST && !doc_is_null(list))
			return kube_refuse(pod->file, list->start, e, "%s is no list", lists[i]);
		for (const struct doc_node *c = list ? list->first : NULL; c; c = c->next) {
			if (c->kind != DOC_MAP)
				return kube_refuse(pod->file, c->start, e, "this is no container");
			if (kube_args_container(&script, pod->file, c, e) ||
				kube_args_program(args, &script, program, e))
				return e->code;
			if (args->n) {
				*container = c;
				return 0;
			}
		}
	}
	return 0;
}

int kube_pod_etcd(
	struct kube_pod_etcd *etcd, struct kube_files *files, const char *path, struct err *e)
{
	struct kube_file *file;
	struct kube_slot config;

	if (kube_file(&file, files, path, e) || kube_pod(&etcd->pod, file, e) ||
		kube_pod_runs(&etcd->container, &etcd->args, &etcd->pod, "etcd", e))
		return e->code;
	if (!etcd->container)
		return kube_refuse(
			file, etcd->pod.pod->start, e, "no container of this pod runs etcd");
	if (kube_args_container(&etcd->script, file, etcd->container, e))
		return e->code;
	/* etcd looks at nothing else then. */
	if (kube_flag(&config, &etcd->args, "config-file") ||
		kube_pod_env(&config, &etcd->pod, etcd->container, "ETCD_CONFIG_FILE"))
		return kube_refuse(file, kube_slot_at(&config), e,
			"etcd has its configuration in a file, which is not understood; "
			"say it with flags");
	return 0;
}

static const struct doc_node *named(const struct doc_node *list, const char *key, struct str name)
{
	const struct doc_node *found = NULL;

	for (const struct doc_node *c = list && list->kind == DOC_LIST ? list->first : NULL; c;
		c = c->next) {
		if (str_equal(doc_text(c, key), name))
			found = c;
	}
	return found; /* the last counts */
}

/* "/var/etcd" holds "/var/etcd" and "/var/etcd/data"; what is below it goes to `rest`. */
static bool holds(struct str *rest, struct str dir, struct str path)
{
	while (dir.len > 1 && dir.p[dir.len - 1] == '/')
		dir.len--;
	if (!dir.len || !str_starts(path, dir))
		return false;
	*rest = (struct str){ path.p + dir.len, path.len - dir.len };
	if (str_is(dir, "/")) /* its slash belongs to the rest */
		*rest = path;
	return !rest->len || rest->p[0] == '/';
}

const struct doc_node *kube_pod_host_node(struct str *below, const struct kube_pod *pod,
	const struct doc_node *container, struct str path)
{
	const struct doc_node *mounts = doc_get(container, "volumeMounts"), *best = NULL;
	size_t longest = 0;
	struct str rest;

	for (const struct doc_node *m = mounts && mounts->kind == DOC_LIST ? mounts->first : NULL;
		m; m = m->next) {
		const struct str dir = doc_text(m, "mountPath");
		if (dir.len > longest && holds(&rest, dir, path)) {
			best = m;
			longest = dir.len;
			*below = rest;
		}
	}
	const struct doc_node *volume =
		best ? named(doc_get(pod->spec, "volumes"), "name", doc_text(best, "name")) : NULL;
	const struct doc_node *host = doc_get(doc_get(volume, "hostPath"), "path");
	/* What is mounted elsewhere, or of a part of the volume. */
	if (!host || host->kind != DOC_SCALAR || doc_text(best, "subPath").len)
		return NULL;
	return host;
}

const char *kube_pod_host_path(
	const struct kube_pod *pod, const struct doc_node *container, struct str path)
{
	struct str below = { "", 0 };
	const struct doc_node *host = kube_pod_host_node(&below, pod, container, path);

	if (!host)
		return NULL;
	struct str dir = host->text;
	while (dir.len > 1 && dir.p[dir.len - 1] == '/')
		dir.len--;
	return arena_print(pod->file->set->arena, "%.*s%.*s", STR_ARG(dir), STR_ARG(below));
}

bool kube_pod_env(struct kube_slot *slot, const struct kube_pod *pod,
	const struct doc_node *container, const char *name)
{
	const struct doc_node *env = named(doc_get(container, "env"), "name", str_from(name));
	const struct doc_node *value = doc_get(env, "value");
	size_t at;

	if (!value || value->kind != DOC_SCALAR)
		return false;
	*slot = kube_slot_scalar(pod->file, value, arena_print(pod->file->set->arena, "%s", name));
	slot->fixed = !str_find(&at, value->text, STR("$("));
	return true;
}
