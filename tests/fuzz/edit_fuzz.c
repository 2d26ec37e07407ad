/* Any bytes as a file of a control plane: what is changed in it becomes just what was meant,
 * all other bytes stay, and the second time there is nothing left to change.
 *
 *   byte 0   which file of which layout, or plain words and environment lines
 *   byte 1   which names and addresses are wanted
 *   then     the file
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/check.h"
#include "kube/env.h"
#include "kube/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.9.4 forgets one block when it gives up on a text: fy_atom_format_text. */
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_iter_grow_chunk";
}

static const struct {
	const struct kube_layout *layout; /* NULL: no layout's */
	const char *path;
	enum kube_dialect dialect;
} files[] = {
	{ &kube_layout_kubeadm, "etc/kubernetes/manifests/etcd.yaml", 0 },
	{ &kube_layout_csm, "etc/kubernetes/kubeadmcfg.yaml", 0 },
	{ &kube_layout_icp, "etc/cfc/podbackup/etcd.json", 0 },
	{ &kube_layout_salt, "etc/kubernetes/manifests/etcd.manifest", 0 },
	{ &kube_layout_openshift42, "home/core/assets/backup/etcd-member.yaml", 0 },
	{ &kube_layout_openshift46, "home/core/assets/manifests-stopped/etcd-pod.yaml", 0 },
	{ &kube_layout_csm, "etc/systemd/system/etcd.service", 0 },
	{ &kube_layout_kubeadm, "etc/hosts", 0 },
	{ &kube_layout_openshift42, "etc/etcd/etcd.conf", 0 },
	{ NULL, "words", KUBE_SHELL },
	{ NULL, "words", KUBE_SYSTEMD },
	{ NULL, "lines", KUBE_ENV_FILE },
};
enum { FILES = sizeof files / sizeof *files };

static const char csm_config[] = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
				 "etcd:\n  local:\n    extraArgs:\n      name: m1\n";
static const char kubeadm_pod[] =
	"kind: Pod\nspec:\n  containers:\n  - command: [etcd, --name=m1, --data-dir=/d]\n"
	"    volumeMounts: [{name: d, mountPath: /d}]\n"
	"  volumes: [{name: d, hostPath: {path: /d}}]\n";
static const char openshift_pod[] =
	"kind: Pod\nspec:\n  containers:\n  - command: [/bin/sh, -c, 'exec etcd --name a']\n";

static const char *const names[] = { "m9", "1", "yes", "a b", "x: y", "it's", "q\"q", "#x", "*x",
	"-", "$x", "0x1f", "a,b", "{}", "%h", "" };
enum { NAMES = sizeof names / sizeof *names };

struct world {
	struct arena arena;
	struct kube_files set;
	struct kube_file *file;
	struct root root;
};

static char dir[] = "/tmp/edit_fuzz.XXXXXX";

static void remove_dir(void)
{
	rmdir(dir);
}

static void add(struct world *w, const char *path, struct str text)
{
	struct kube_file *file = arena_alloc(&w->arena, sizeof *file);

	file->set = &w->set;
	file->path = path;
	file->text = (struct str){ arena_copy(&w->arena, text), text.len };
	file->next = w->set.first;
	if (!w->set.first)
		w->set.last = &file->next;
	w->set.first = file;
	w->file = file;
}

static bool set_slot(const struct kube_slot *slot, const char *name, struct err *e)
{
	return !kube_slot_set(slot, str_from(name), "test", e);
}

static bool change_words(struct world *w, size_t kind, const char *name, struct err *e)
{
	static const char *const flags[] = { "name", "data-dir", "initial-cluster" };
	struct kube_args args;
	struct kube_slot slot;
	bool good = true;

	if (files[kind].dialect == KUBE_ENV_FILE) {
		struct str found;
		for (size_t at = 0; good && kube_env_next(&found, &slot, &at, w->file);)
			good = !kube_env(&slot, w->file, arena_copy(&w->arena, found)) ||
			       set_slot(&slot, name, e);
		return good;
	}
	if (kube_args_text(&args, w->file, 0, w->file->text.len, files[kind].dialect, e))
		return false;
	for (size_t i = 0; good && i < sizeof flags / sizeof *flags; i++) {
		if (kube_flag(&slot, &args, flags[i]))
			good = set_slot(&slot, name, e);
	}
	return good;
}

/* False: refused, with a reason. */
static bool change(struct world *w, size_t kind, size_t choice, struct str text, struct err *e)
{
	const struct kube_layout *layout = files[kind].layout;
	const char *name = names[choice % NAMES];
	struct kube_member members[] = {
		{ name, { (const char *[]){ "https://[fd00::9]:2380" }, 1 } },
		{ "other", { (const char *[]){ "https://10.0.0.2:2380" }, 1 } }
	};
	const char *state = choice & 128 ? "existing" : NULL;
	const struct kube_wanted_cluster clusters[] = {
		{ .name = name, .token = "tok", .state = state, .members = { members, 2 } },
		{ .name = name, .token = "tok-events", .state = state, .members = { members, 2 } }
	};
	const struct kube_replacement replace[] = { { "10.0.0.12", "10.9.9.9" },
		{ "fd00:10::11", "fd00:10::21" }, { "master-2.example.org", "node-7.example.com" },
		{ "master-2", "node-7" }, { "m1", name } };
	const struct kube_wanted wanted = { choice & 16 ? NULL : clusters, replace,
		choice & 32   ? 0
		: choice & 64 ? 5
			      : 4 };
	struct kube_node node = { .layout = layout, .marker = "", .files = &w->set };

	w->set = kube_files(&w->arena, &w->root);
	if (layout == &kube_layout_csm)
		add(w, "etc/kubernetes/kubeadmcfg.yaml", STR(csm_config));
	if (layout == &kube_layout_kubeadm)
		add(w, "etc/kubernetes/manifests/etcd.yaml", STR(kubeadm_pod));
	if (layout == &kube_layout_openshift42)
		add(w, "home/core/assets/backup/etcd-member.yaml", STR(openshift_pod));
	add(w, files[kind].path, text);
	if (!layout)
		return change_words(w, kind, name, e);
	return !layout->read(&node, e) && !layout->rewrite(&node, &wanted, e);
}

static void others_stay(const struct kube_file *file, struct str result)
{
	size_t at = 0, there = 0;

	for (size_t i = 0; i <= file->n_changes; i++) {
		const struct kube_change *c = i < file->n_changes ? &file->changes[i] : NULL;
		const size_t len = (c ? c->start : file->text.len) - at;
		if (result.len - there < len || memcmp(file->text.p + at, result.p + there, len))
			abort();
		there += len + (c ? c->put.len : 0);
		at = c ? c->end : at;
	}
	if (there != result.len)
		abort();
}

static void refused(const struct err *e)
{
	if (!*e->text || e->code == ERR_BUG)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int made = -1;
	struct world first = { .arena = ARENA(64 << 20) }, second = { .arena = ARENA(64 << 20) };
	struct buf out = BUF(4 << 20);
	struct err e = { 0 };

	if (size < 2 || size > 16384)
		return 0;
	if (made < 0) {
		if (!mkdtemp(dir))
			abort();
		atexit(remove_dir);
		made = 0;
	}
	const size_t kind = data[0] % FILES, choice = data[1];
	const struct str text = { (const char *)data + 2, size - 2 };
	if (root_open(&first.root, dir, &e) || root_open(&second.root, dir, &e))
		abort();
	if (!change(&first, kind, choice, text, &e)) {
		refused(&e);
	} else {
		if (kube_result(&out, first.file, &e) || kube_check(first.file, buf_text(&out), &e))
			abort();
		others_stay(first.file, buf_text(&out));
		if (first.file->n_changes && (!change(&second, kind, choice, buf_text(&out), &e) ||
						     second.file->n_changes))
			abort();
	}
	buf_free(&out);
	root_close(&first.root);
	root_close(&second.root);
	arena_free(&first.arena);
	arena_free(&second.arena);
	return 0;
}
