#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/check.h"
#include "kube/layout.h"

static struct arena arena = ARENA(64 << 20);

/* All changes of a golden tree whose etcd is to have this state: "PATH: OLD -> NEW" a line. */
static const char *changes(const char *tree, const char *state, struct err *e)
{
	static const struct kube_wanted_cluster none;
	struct kube_wanted_cluster clusters[2] = { none, none };
	const struct kube_wanted wanted = { .clusters = clusters };
	const char *text = "";
	struct kube_node node;
	CLEAN_ROOT struct root root = NO_ROOT;
	CLEAN_BUF struct buf out = BUF(4 * KUBE_FILE_MAX);

	clusters[0].state = clusters[1].state = state;
	*e = (struct err){ 0 };
	assert_int_equal(
		root_open(&root, arena_print(&arena, "../tests/golden/layouts/%s/before", tree), e),
		0);
	struct kube_files files = kube_files(&arena, &root);
	assert_int_equal(kube_node(&node, &files, NULL, e), 0);
	if (node.layout->rewrite(&node, &wanted, e))
		return NULL;
	for (const struct kube_file *f = files.first; f; f = f->next) {
		buf_clear(&out);
		if (kube_result(&out, f, e) || kube_check(f, buf_text(&out), e))
			fail_msg("%s", e->text);
		for (size_t i = 0; i < f->n_changes; i++)
			text = arena_print(&arena, "%s%s: %.*s -> %.*s\n", text, f->path,
				STR_ARG(f->changes[i].old), STR_ARG(f->changes[i].new));
	}
	return text;
}

static void a_state_is_written_where_there_is_one(void **state)
{
	static const struct {
		const char *tree, *state, *changes;
	} cases[] = {
		{ "kubeadm", "existing", "" },
		{ "kubeadm", "new", "etc/kubernetes/manifests/etcd.yaml: existing -> new\n" },
		{ "kubeadm", NULL, "" },
		{ "csm", "existing",
			"etc/kubernetes/kubeadmcfg.yaml: new -> existing\n"
			"etc/systemd/system/etcd.service: new -> existing\n" },
		{ "csm-v1beta4", "existing",
			"etc/kubernetes/kubeadmcfg.yaml: new -> existing\n"
			"etc/systemd/system/etcd.service: new -> existing\n" },
		{ "salt", "existing",
			"etc/kubernetes/manifests/etcd.manifest: new -> existing\n"
			"etc/kubernetes/manifests/etcd-events.manifest: new -> existing\n" },
		{ "openshift-4.2", "new", "etc/etcd/etcd.conf: existing -> new\n" },
		{ "openshift-4.6", "new",
			"etc/kubernetes/manifests/etcd-pod.yaml: existing -> new\n" },
		/* kubeadm's first master has none: a line more */
		{ "kubeadm-ipv6", "existing",
			"etc/kubernetes/manifests/etcd.yaml:  -> "
			"--initial-cluster-state=existing\n" },
		{ "kubeadm-ipv6", "new", "" },
		{ "icp", "new", "" },
		{ "icp", "existing",
			"etc/cfc/pods/etcd.json:  -> --initial-cluster-state=existing\n" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = changes(cases[i].tree, cases[i].state, &e);
		if (!text)
			fail_msg("%s: %s", cases[i].tree, e.text);
		assert_string_equal(text, cases[i].changes);
	}
}

static void a_node_that_would_found_its_own_cluster_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "openshift-4.2-dns",
			"etc/kubernetes/manifests/etcd-member.yaml:" }, /* nor members */
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_null(changes(cases[i][0], "existing", &e));
		assert_int_equal(e.code, ERR_FORMAT);
		assert_non_null(strstr(e.text, cases[i][1]));
		assert_non_null(strstr(e.text, "--initial-cluster-state=existing"));
	}
}

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void file_in(const char *dir, const char *path)
{
	char command[512];

	snprintf(command, sizeof command, "mkdir -p \"%s/$(dirname %s)\" && : >%s/%s", dir, path,
		dir, path);
	assert_int_equal(system(command), 0);
}

static void a_node_without_an_etcd_has_nothing_of_a_master(void **state)
{
	static const char *const masters[] = { "var/lib/etcd/lost+found/x", "var/lib/etcd-wal/x",
		"etc/cfc/podbackup/proxy.json", "etc/cfc/conf/etcd/server-key.pem" };
	const struct kube_layout *layout;
	const char *marker;

	(void)state;
	for (size_t i = 0; i <= sizeof masters / sizeof *masters; i++) {
		char dir[] = "/tmp/layout-test-XXXXXX", command[128];
		struct err e = { 0 };
		assert_non_null(mkdtemp(dir));
		{
			CLEAN_ROOT struct root root = NO_ROOT;
			assert_int_equal(root_open(&root, dir, &e), 0);
			assert_int_equal(
				kube_layout_bare(&layout, &marker, &root, NULL, &e), ERR_NOTFOUND);
			file_in(dir, "etc/cfc/pods/proxy.json");
			file_in(dir, "etc/cfc/conf/etcd/client.pem");
			e = (struct err){ 0 };
			assert_int_equal(kube_layout_bare(&layout, &marker, &root, NULL, &e), 0);
			assert_ptr_equal(layout, &kube_layout_icp);
			assert_string_equal(marker, "etc/cfc/pods");
			assert_int_equal(kube_layout_bare(&layout, &marker, &root, "kubeadm", &e),
				ERR_NOTFOUND);
			e = (struct err){ 0 };
			if (i < sizeof masters / sizeof *masters) {
				file_in(dir, masters[i]);
				assert_int_equal(
					kube_layout_bare(&layout, &marker, &root, NULL, &e),
					ERR_DECLINED);
				assert_non_null(strstr(e.text, "is a master's"));
			} else {
				/* To a disk of its own, which is not there now. */
				snprintf(command, sizeof command,
					"mkdir -p %s/var/lib && ln -s /data/etcd %s/var/lib/etcd",
					dir, dir);
				assert_int_equal(system(command), 0);
				assert_int_equal(
					kube_layout_bare(&layout, &marker, &root, NULL, &e),
					ERR_DECLINED);
			}
		}
		snprintf(command, sizeof command, "rm -rf %s", dir);
		assert_int_equal(system(command), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_written_where_there_is_one),
		cmocka_unit_test(a_node_that_would_found_its_own_cluster_is_refused),
		cmocka_unit_test(a_node_without_an_etcd_has_nothing_of_a_master),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
