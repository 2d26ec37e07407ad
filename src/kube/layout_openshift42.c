/* OpenShift 4.1 to 4.3: a shell starts etcd with variables that exist only while the node runs.
 * What lasts is the discovery domain in the manifest, the name in the certificates' file
 * names, and etc/etcd/etcd.conf once a member was recovered. */
#include <string.h>

#include "kube/env.h"
#include "kube/layout.h"
#include "kube/pod.h"
#include "kube/rewrite.h"
#include "kube/scalar.h"
#include "os/names.h"

#define MANIFESTS "etc/kubernetes/manifests"
#define MANIFEST  MANIFESTS "/etcd-member.yaml"
/* Where the restore script and backups keep the manifest. */
#define STOPPED   "home/core/assets/manifests-stopped/etcd-member.yaml"
#define BACKUP    "home/core/assets/backup/etcd-member.yaml"
#define CONFIG    "etc/etcd/etcd.conf"
#define PEER      "system:etcd-peer:"

static const char *const places[] = { MANIFEST, STOPPED, BACKUP, NULL };

static const char *manifest(const struct kube_files *files)
{
	const char *const *p = places;

	while (p[1] && !kube_exists(files, *p))
		p++;
	return *p;
}

/* "system:etcd-peer:etcd-0.example.org.crt" in the directory that etcd has as /etc/ssl/etcd. */
static const char *dns_name(struct kube_cluster *c, const struct kube_pod_etcd *etcd)
{
	struct kube_files *files = etcd->pod.file->set;
	struct arena *a = files->arena;
	const char *dir = kube_pod_host_path(&etcd->pod, etcd->container, STR("/etc/ssl/etcd"));
	struct names names;
	struct err none = { 0 };

	if (!dir || names_read(&names, a, files->root, dir, &none))
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		const struct str name = str_from(names.v[i]);
		if (!str_starts(name, STR(PEER)) || !str_ends(name, STR(".crt")))
			continue;
		c->cert = arena_print(a, "%s/%s", dir, names.v[i]);
		c->key = arena_print(a, "%s/%.*s.key", dir, (int)(name.len - 4), name.p);
		c->ca = arena_print(a, "%s/ca.crt", dir);
		return arena_copy(
			a, (struct str){ name.p + strlen(PEER), name.len - strlen(PEER ".crt") });
	}
	return NULL;
}

static const char *config_value(struct kube_files *files, const char *name)
{
	struct kube_file *file;
	struct kube_slot slot;
	struct err none = { 0 };

	return !kube_file(&file, files, CONFIG, &none) && kube_env(&slot, file, name)
		       ? arena_copy(files->arena, slot.value)
		       : NULL;
}

static const char *first_line(struct kube_files *files, const char *path)
{
	struct kube_file *file;
	struct err none = { 0 };
	struct str line, rest;

	if (kube_file(&file, files, path, &none))
		return NULL;
	rest = file->text;
	return str_next(&line, &rest, '\n') && str_trim(line).len
		       ? arena_copy(files->arena, str_trim(line))
		       : NULL;
}

static int read_node(struct kube_node *node, struct err *e)
{
	struct kube_files *files = node->files;
	struct arena *a = files->arena;
	const char *path = manifest(files), *text;
	struct kube_pod_etcd etcd;
	struct kube_args discovery;
	struct kube_slot slot;

	if (kube_pod_etcd(&etcd, files, path, e))
		return e->code;
	struct kube_cluster *c = kube_add_cluster(node, "etcd");
	kube_read_etcd(c, &etcd.args, &etcd.pod, etcd.container);
	c->token = node->layout->token;
	text = kube_pod_host_path(&etcd.pod, etcd.container, STR("/var/lib/etcd"));
	c->data_dir = text ? text : "/var/lib/etcd";
	c->fence = MANIFEST;
	c->partial = true; /* the others are known to the domain's name server alone */
	node->name = first_line(files, "etc/hostname");
	c->name = config_value(files, "ETCD_NAME");
	if (!c->name && node->name)
		c->name = arena_print(a, "etcd-member-%s", node->name);
	const char *dns = dns_name(c, &etcd);
	if (dns)
		kube_add_text(&c->peer_urls, a, arena_print(a, "https://%s:2380", dns));
	if ((text = config_value(files, "ETCD_INITIAL_CLUSTER")))
		kube_read_members(&c->members, a, str_from(text));
	else if (dns && c->name)
		kube_read_members(&c->members, a,
			str_from(arena_print(a, "%s=%s", c->name, c->peer_urls.v[0])));
	if (!dns) {
		const struct doc_node *container = doc_find(etcd.pod.spec, "/initContainers/0");
		if (container && !kube_args_container(&discovery, etcd.pod.file, container, e) &&
			kube_flag(&slot, &discovery, "discovery-srv"))
			kube_warn(node,
				"which of the etcd-N.%.*s this node is stands nowhere on the disk; "
				"say it with cluster.members",
				STR_ARG(slot.value));
	}
	if (strcmp(path, MANIFEST))
		kube_warn(
			node, "the manifest lies in %s: a recovery by hand was not finished", path);
	return 0;
}

static int set_config(struct kube_files *files, const char *name, const char *value,
	const char *why, struct err *e)
{
	struct kube_file *file;
	struct kube_slot slot;
	struct err none = { 0 };

	if (!value || kube_file(&file, files, CONFIG, &none) || !kube_env(&slot, file, name))
		return 0;
	return kube_slot_set(&slot, str_from(value), why, e);
}

static struct kube_change change(
	const struct kube_file *file, size_t start, size_t end, struct str text, const char *what)
{
	return (struct kube_change){ .start = start,
		.end = end,
		.put = text,
		.what = what,
		.old = { file->text.p + start, end - start },
		.new = text,
		.why = "how this member comes into the cluster",
		.from = start,
		.to = end,
		.text = text };
}

/* What a recovery by hand writes below a mark, as far as it is not there. */
static int add_recover(struct kube_node *node, const struct kube_wanted_cluster *c,
	const char *members, struct err *e)
{
	struct kube_files *files = node->files;
	struct arena *a = files->arena;
	const struct kube_cluster *own = &node->clusters[0];
	const char *name = c->name ? c->name : own->name, *url = NULL;
	struct kube_pod_etcd etcd;
	struct kube_file *file;
	struct kube_slot slot;
	const char *text = "";

	if (kube_pod_etcd(&etcd, files, manifest(files), e))
		return e->code;
	for (size_t i = 0; name && i < c->members.n; i++) {
		if (!strcmp(c->members.v[i].name, name) && c->members.v[i].urls.n)
			url = c->members.v[i].urls.v[0];
	}
	const struct {
		const char *name, *flag, *value;
	} rows[] = { { "ETCD_NAME", "name", name },
		{ "ETCD_INITIAL_CLUSTER", "initial-cluster", members },
		{ "ETCD_INITIAL_ADVERTISE_PEER_URLS", "initial-advertise-peer-urls", url },
		{ "ETCD_INITIAL_CLUSTER_STATE", "initial-cluster-state", c->state } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!rows[i].value)
			return kube_file(&file, files, manifest(files), e)
				       ? e->code
				       : kube_rewrite_no_state(file, 0, c->state, e);
		/* From 3.4 on etcd does not start with a variable beside its own flag, and before
		 * that the flag was what counted. */
		if (!config_value(files, rows[i].name) &&
			!kube_flag(&slot, &etcd.args, rows[i].flag))
			text = arena_print(a, "%s%s=\"%s\"\n", text, rows[i].name, rows[i].value);
	}
	if (kube_exists(files, CONFIG) ? kube_file(&file, files, CONFIG, e)
				       : kube_file_new(&file, files, CONFIG, e))
		return e->code;
	const size_t end = file->text.len;
	const bool open = end && file->text.p[end - 1] != '\n';
	const struct kube_change recover = change(file, end, end,
		str_from(arena_print(
			a, "%s%s#[recover]\n%s", open ? "\n" : "", end ? "\n" : "", text)),
		"#[recover]");
	return kube_change(file, &recover, e);
}

/* What the variables say is not believed beside these. */
static int refuse_flags(struct kube_files *files, struct err *e)
{
	static const char *const flags[] = { "initial-cluster", "initial-cluster-state" };
	struct kube_pod_etcd etcd;
	struct kube_slot slot;

	if (kube_pod_etcd(&etcd, files, manifest(files), e))
		return e->code;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (kube_flag(&slot, &etcd.args, flags[i]))
			return kube_refuse(etcd.pod.file, etcd.container->start, e,
				"etcd is told --%s here, which a node that joins has in %s; take "
				"that flag away by hand",
				flags[i], CONFIG);
	}
	return 0;
}

/* Who is told the members does not ask the name server for them: a line of etcd's own in its
 * script; the init container, which finds out who this node is, keeps its. */
static int strip_discovery(struct kube_files *files, struct err *e)
{
	struct kube_pod_etcd etcd;
	struct kube_slot slot;

	if (kube_pod_etcd(&etcd, files, manifest(files), e))
		return e->code;
	if (!kube_flag(&slot, &etcd.args, "discovery-srv"))
		return 0;
	struct kube_file *pod = etcd.pod.file;
	const struct str all = slot.node ? slot.node->text : STR("");
	size_t start = slot.from, end = slot.to;
	while (start && start <= all.len && all.p[start - 1] != '\n')
		start--;
	while (end < all.len && all.p[end - 1] != '\n')
		end++;
	const struct str line =
		end <= all.len ? str_trim((struct str){ all.p + start, end - start }) : STR("");
	/* Alone on its line, which goes on: else the command would be cut. */
	if (!str_starts(line, STR("--discovery-srv")) || !str_ends(line, STR("\\")))
		return kube_refuse(pod, etcd.container->start, e,
			"etcd is told to look for the others by --discovery-srv; take that away by "
			"hand");
	struct kube_change gone = { .what = "--discovery-srv",
		.old = line,
		.why = "how this member comes into the cluster",
		.node = slot.node,
		.from = start,
		.to = end };
	return kube_scalar_put(&gone, pod, slot.node, start, end, STR(""), e)
		       ? e->code
		       : kube_change(pod, &gone, e);
}

static const char *const yaml[] = { ".yaml", NULL };
static const char *const texts[] = { CONFIG, "etc/hosts", "etc/hostname", NULL };
static const char *const documents[] = { "etc/kubernetes/kubeconfig", "var/lib/kubelet/kubeconfig",
	"etc/kubernetes/kubelet.conf", NULL };

static int rewrite(struct kube_node *node, const struct kube_wanted *wanted, struct err *e)
{
	struct kube_files *files = node->files;

	if (wanted->clusters) {
		const struct kube_wanted_cluster *c = &wanted->clusters[0];
		const char *members =
			c->members.n ? kube_print_members(files->arena, &c->members) : NULL;
		if (set_config(files, "ETCD_NAME", c->name, "this node's member", e) ||
			set_config(files, "ETCD_INITIAL_CLUSTER", members,
				"the members that are restored", e) ||
			set_config(files, "ETCD_INITIAL_CLUSTER_STATE", c->state,
				"how this member comes into the cluster", e))
			return e->code;
		const bool joins = c->state && !strcmp(c->state, "existing");
		if (joins && (refuse_flags(files, e) || strip_discovery(files, e)))
			return e->code;
		if (joins && !config_value(files, "ETCD_INITIAL_CLUSTER_STATE") &&
			add_recover(node, c, members, e))
			return e->code;
	}
	if (kube_rewrite_replace(files, manifest(files), KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_in(files, MANIFESTS, yaml, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(files, documents, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_all(files, texts, KUBE_TEXT, wanted, e))
		return e->code;
	return 0;
}

const struct kube_layout kube_layout_openshift42 = {
	.name = "openshift-4.2",
	.token = "etcd-cluster-1",
	.markers = places,
	.read = read_node,
	.rewrite = rewrite,
};
