/* HPE Cray CSM: etcd is a systemd unit beside kubeadm's files; who the node is stands in
 * kubeadmcfg.yaml.  /var/lib/etcd is an overlay there, which is for whoever mounts it to know. */
#include <string.h>

#include "kube/kubeadm.h"
#include "kube/layout.h"
#include "kube/rewrite.h"
#include "kube/unit.h"

#define CONFIG "etc/kubernetes/kubeadmcfg.yaml"
#define ARGS   "/etcd/local/extraArgs"

static const char *arg(const struct kube_kubeadm *k, const char *name)
{
	struct kube_slot slot;

	return kube_kubeadm_arg(&slot, k, k->cluster, ARGS, name)
		       ? arena_copy(k->file->set->arena, slot.value)
		       : NULL;
}

static int config_of(struct kube_kubeadm *k, struct kube_files *files, struct err *e)
{
	struct kube_file *file;

	if (kube_file(&file, files, CONFIG, e) || kube_kubeadm(k, file, e))
		return e->code;
	if (!k->cluster || !doc_find(k->cluster, ARGS))
		return kube_refuse(file, 0, e, "no etcd.local.extraArgs of a ClusterConfiguration");
	return 0;
}

/* What the unit starts etcd with wins: that is what ran. */
static void compare_with_unit(struct kube_node *node, struct kube_cluster *c)
{
	struct arena *a = node->files->arena;
	struct kube_cluster runs = { 0 };
	struct kube_unit unit;
	struct kube_args args;
	struct err why = { 0 };

	if (kube_unit(&unit, node->files, "etcd.service", &why) ||
		kube_unit_args(&args, &unit, &why)) {
		kube_warn(node, "etcd.service: %s", why.text);
		return;
	}
	kube_read_etcd(&runs, &args, NULL, NULL);
	if (runs.name && c->name && strcmp(runs.name, c->name))
		kube_warn(node, "%s calls this node %s, %s calls it %s", CONFIG, c->name, unit.path,
			runs.name);
	if (runs.members.n && c->members.n &&
		strcmp(kube_print_members(a, &runs.members), kube_print_members(a, &c->members)))
		kube_warn(node, "%s has the members %s, %s has %s", CONFIG,
			kube_print_members(a, &c->members), unit.path,
			kube_print_members(a, &runs.members));
	if (runs.token && strcmp(runs.token, c->token))
		c->token = runs.token;
	if (runs.data_dir)
		c->data_dir = runs.data_dir;
	c->wal_dir = runs.wal_dir;
	c->fence = unit.path;
}

static int read_node(struct kube_node *node, struct err *e)
{
	struct arena *a = node->files->arena;
	struct kube_kubeadm k;
	struct kube_slot slot;
	const char *text;

	if (config_of(&k, node->files, e))
		return e->code;
	struct kube_cluster *c = kube_add_cluster(node, "etcd");
	c->name = arg(&k, "name");
	if ((text = arg(&k, "initial-advertise-peer-urls")))
		kube_read_urls(&c->peer_urls, a, str_from(text));
	if ((text = arg(&k, "advertise-client-urls")))
		kube_read_urls(&c->client_urls, a, str_from(text));
	if ((text = arg(&k, "initial-cluster")))
		kube_read_members(&c->members, a, str_from(text));
	if ((text = arg(&k, "initial-cluster-token")))
		c->token = text;
	c->data_dir = kube_kubeadm_text(&slot, &k, k.cluster, "/etcd/local/dataDir")
			      ? arena_copy(a, slot.value)
			      : "/var/lib/etcd";
	c->ca = "/etc/kubernetes/pki/etcd/ca.crt";
	c->cert = "/etc/kubernetes/pki/etcd/peer.crt";
	c->key = "/etc/kubernetes/pki/etcd/peer.key";
	compare_with_unit(node, c);
	node->name = kube_kubeadm_text(&slot, &k, k.init, "/nodeRegistration/name")
			     ? arena_copy(a, slot.value)
			     : c->name;
	return 0;
}

static int set(const struct kube_kubeadm *k, const char *name, const char *value, const char *why,
	struct err *e)
{
	struct kube_slot slot;

	if (!value || !kube_kubeadm_arg(&slot, k, k->cluster, ARGS, name))
		return 0;
	return kube_slot_set(&slot, str_from(value), why, e);
}

/* The unit's flags, and the variables that count where a flag is not given. */
static int rewrite_unit(
	const struct kube_unit *unit, const struct kube_wanted_cluster *c, struct err *e)
{
	struct arena *a = unit->files->arena;
	const char *members = c->members.n ? kube_print_members(a, &c->members) : NULL;
	const struct {
		const char *flag, *name, *value, *why;
	} rows[] = { { "name", "ETCD_NAME", c->name, "this node's member" },
		{ "initial-cluster", "ETCD_INITIAL_CLUSTER", members,
			"the members that are restored" },
		{ "initial-cluster-token", "ETCD_INITIAL_CLUSTER_TOKEN", c->token,
			"the token that is restored with" },
		{ "initial-cluster-state", "ETCD_INITIAL_CLUSTER_STATE", c->state,
			"how this member comes into the cluster" } };
	struct kube_args args, etcd;
	struct kube_slot slot;

	if (!c->name && !members && !c->token && !c->state)
		return 0;
	if (kube_unit_args(&args, unit, e))
		return e->code;
	if (args.n && kube_args_program(&etcd, &args, "etcd", e))
		return e->code;
	if (!args.n || !etcd.n) {
		const struct kube_setting *s = kube_unit_get(unit, "Service", "ExecStart");
		return kube_refuse(s->file, s->from, e,
			"it cannot be seen how this starts etcd; write etcd and its flags here");
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!rows[i].value)
			continue;
		const bool said = kube_flag(&slot, &etcd, rows[i].flag) ||
				  kube_unit_env(&slot, unit, rows[i].name);
		if (said && kube_slot_set(&slot, str_from(rows[i].value), rows[i].why, e))
			return e->code;
		const struct kube_setting *start = kube_unit_get(unit, "Service", "ExecStart");
		if (!said && rows[i].value == c->state &&
			kube_rewrite_no_state(start->file, start->from, c->state, e))
			return e->code;
	}
	return 0;
}

/* Drop-ins and files of variables hold names, too. */
static int replace_in_unit(
	const struct kube_unit *unit, const struct kube_wanted *wanted, struct err *e)
{
	for (size_t i = 0; i < unit->n; i++) {
		const struct kube_setting *s = &unit->v[i];
		struct str path =
			str_trim((struct str){ s->file->text.p + s->from, s->to - s->from });
		if (kube_rewrite_replace(unit->files, s->file->path, KUBE_TEXT, wanted, e))
			return e->code;
		if (!str_is(s->name, "EnvironmentFile"))
			continue;
		if (path.len && path.p[0] == '-')
			path = (struct str){ path.p + 1, path.len - 1 };
		if (path.len && kube_rewrite_replace(unit->files,
					arena_copy(unit->files->arena, path), KUBE_TEXT, wanted, e))
			return e->code;
	}
	return 0;
}

static const char *const yaml[] = { ".yaml", ".yml", NULL };
static const char *const conf[] = { ".conf", NULL };
static const char *const texts[] = { "etc/systemd/system/etcd.service",
	"srv/cray/resources/common/etcd/etcd.service", "var/lib/kubelet/kubeadm-flags.env",
	"etc/sysconfig/kubelet", "etc/hosts", "etc/hostname", NULL };

static int rewrite(struct kube_node *node, const struct kube_wanted *wanted, struct err *e)
{
	struct kube_files *files = node->files;
	struct err none = { 0 };
	struct kube_kubeadm k;
	struct kube_unit unit;

	if (config_of(&k, files, e))
		return e->code;
	if (wanted->clusters) {
		const struct kube_wanted_cluster *c = &wanted->clusters[0];
		const char *members =
			c->members.n ? kube_print_members(files->arena, &c->members) : NULL;
		if (set(&k, "name", c->name, "this node's member", e) ||
			set(&k, "initial-cluster", members, "the members that are restored", e) ||
			set(&k, "initial-cluster-token", c->token,
				"the token that is restored with", e) ||
			set(&k, "initial-cluster-state", c->state,
				"how this member comes into the cluster", e))
			return e->code;
		if (!kube_unit(&unit, files, "etcd.service", &none) && rewrite_unit(&unit, c, e))
			return e->code;
	}
	if (!kube_unit(&unit, files, "etcd.service", &none) && replace_in_unit(&unit, wanted, e))
		return e->code;
	if (kube_rewrite_replace(files, CONFIG, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace(
			files, "etc/cray/kubernetes/kubeadm.yaml", KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_in(
			files, "etc/kubernetes/manifests", yaml, KUBE_YAML, wanted, e) ||
		kube_rewrite_replace_in(files, "etc/kubernetes", conf, KUBE_YAML, wanted, e))
		return e->code;
	if (kube_rewrite_replace_all(files, texts, KUBE_TEXT, wanted, e))
		return e->code;
	return 0;
}

static const char *const markers[] = { CONFIG, NULL };
/* kubeadm's own etcd is no unit. */
static const char *const unless[] = { "etc/kubernetes/manifests/etcd.yaml", NULL };

const struct kube_layout kube_layout_csm = {
	.name = "csm",
	.token = "tkn",
	.markers = markers,
	.unless = unless,
	.read = read_node,
	.rewrite = rewrite,
};
