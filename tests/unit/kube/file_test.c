#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/file.h"

static struct arena arena = ARENA(16 << 20);

static void put(const char *top, const char *path, const char *text)
{
	const char *slash = strrchr(path, '/');
	char command[512], name[512];

	snprintf(command, sizeof command, "mkdir -p %s/%.*s", top, (int)(slash - path), path);
	assert_int_equal(system(command), 0);
	snprintf(name, sizeof name, "%s/%s", top, path);
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *text_of(struct kube_files *set, const char *path)
{
	struct kube_file *file;
	struct err e = { 0 };

	return kube_file(&file, set, path, &e) ? "" : file->text.p;
}

static void var_of_ostree_is_looked_for_where_it_is(void **state)
{
	char top[] = "/tmp/file_test.XXXXXX", command[64];
	CLEAN_ROOT struct root root = NO_ROOT, var = NO_ROOT;
	struct err e = { 0 };
	const char *inside;

	(void)state;
	assert_non_null(mkdtemp(top));
	put(top, "deploy/etc/hosts", "hosts");
	put(top, "deploy/var/lib/kubelet/kubeconfig", "never seen by anybody");
	put(top, "var/lib/kubelet/kubeconfig", "kubelet");
	put(top, "var/home/core/assets/a.yaml", "core");
	put(top, "var/roothome/.kube/config", "root");
	assert_int_equal(root_open(&root, arena_print(&arena, "%s/deploy", top), &e), 0);
	assert_int_equal(root_open(&var, arena_print(&arena, "%s/var", top), &e), 0);

	struct kube_files set = kube_files(&arena, &root);
	set.var = &var;
	assert_string_equal(text_of(&set, "/etc/hosts"), "hosts");
	assert_string_equal(text_of(&set, "/var/lib/kubelet/kubeconfig"), "kubelet");
	assert_string_equal(text_of(&set, "home/core/assets/a.yaml"), "core");
	assert_string_equal(text_of(&set, "root/.kube/config"), "root");
	assert_true(kube_exists(&set, "home/core/assets/a.yaml"));
	assert_false(kube_exists(&set, "home/core/assets/b.yaml"));
	assert_ptr_equal(kube_below(&inside, &set, "variable"), &root);
	/* The file keeps the name that the running system has for it. */
	assert_string_equal(set.first->next->path, "var/lib/kubelet/kubeconfig");

	set = kube_files(&arena, &root);
	assert_string_equal(text_of(&set, "var/lib/kubelet/kubeconfig"), "never seen by anybody");
	snprintf(command, sizeof command, "rm -r %s", top);
	assert_int_equal(system(command), 0);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(var_of_ostree_is_looked_for_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
