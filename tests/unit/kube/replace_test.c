#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/rewrite.h"

static struct arena arena = ARENA(64 << 20);

static const struct kube_replacement replace[] = { { "10.0.0.1", "10.0.9.10" }, { "m1", "m7" },
	{ "m7", "m1" }, { "fd00::1", "fd00::a" } };
static const struct kube_wanted wanted = { .replace = replace,
	.n_replace = sizeof replace / sizeof *replace };

static void becomes(const char *before, enum kube_kind kind, const char *after)
{
	char dir[] = "/tmp/replace_test.XXXXXX", path[64];
	struct root root;
	struct err e = { 0 };
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct kube_file *file;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/f", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(before, f);
	fclose(f);
	assert_int_equal(root_open(&root, dir, &e), 0);
	struct kube_files files = kube_files(&arena, &root);
	if (kube_rewrite_replace(&files, "f", kind, &wanted, &e) ||
		kube_file(&file, &files, "f", &e) || kube_result(&out, file, &e))
		fail_msg("%s", e.text);
	assert_string_equal(arena_copy(&arena, buf_text(&out)), after);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	root_close(&root);
	arena_free(&arena);
	arena = ARENA(64 << 20);
}

static void values_of_documents(void **state)
{
	(void)state;
	becomes("# 10.0.0.1 is old\na: 10.0.0.1 # 10.0.0.1\nb: [\"https://10.0.0.1:2380\", "
		"'10.0.0.1']\n"
		"c: m1=https://10.0.0.1:2380,m10=https://10.0.0.10:2380,m7=http://110.0.0.1\n"
		"---\nd: https://[fd00::1]:2380,fd00::11\ne: &x m1\nf: *x\n",
		KUBE_YAML,
		"# 10.0.0.1 is old\na: 10.0.9.10 # 10.0.0.1\nb: [\"https://10.0.9.10:2380\", "
		"'10.0.9.10']\n"
		"c: m7=https://10.0.9.10:2380,m10=https://10.0.0.10:2380,m1=http://110.0.0.1\n"
		"---\nd: https://[fd00::a]:2380,fd00::11\ne: &x m7\nf: *x\n");
	/* base64 may hold a short name by chance. */
	becomes("certificate-authority-data: AA/m1/BB\nserver: https://m1:6443\n", KUBE_YAML,
		"certificate-authority-data: AA/m1/BB\nserver: https://m7:6443\n");
	becomes("{\"a\":\"10.0.0.1\",\"b\":\"m1.example.org\"}", KUBE_JSON,
		"{\"a\":\"10.0.9.10\",\"b\":\"m7.example.org\"}");
}

static void lines_of_texts(void **state)
{
	(void)state;
	becomes("10.0.0.1 m1\t# m1 # m1\n", KUBE_TEXT, "10.0.9.10 m7\t# m1 # m1\n");
	becomes("# 10.0.0.1 m1\n10.0.0.1\tm1 m1.example.org # was m1\nX=\"--node-ip=10.0.0.1\"\r\n"
		"10.0.0.1.5 10.0.0.11 xm1 m1x fe80::fd00::1\nm1",
		KUBE_TEXT,
		"# 10.0.0.1 m1\n10.0.9.10\tm7 m7.example.org # was "
		"m1\nX=\"--node-ip=10.0.9.10\"\r\n"
		"10.0.0.1.5 10.0.0.11 xm1 m1x fe80::fd00::1\nm7");
}

/* One address of version 6 is the same in any spelling, and no part of another. */
static void spellings_of_version_6(void **state)
{
	(void)state;
	becomes("a: https://[FD00:0:0:0:0:0:0:1]:2380\nb: fd00:0::0001/64\n\"c\": [fd00::1:2, "
		"'fd00::1.', \"fd00:0::1: gone\", \"x=fd00::0.0.0.1,[fd00::1]\"]\n"
		"d: fd00::1%eth0 fd00::1g fd00::1- g:fd00::1 fd00::1::1 1.2.3.4\n",
		KUBE_YAML,
		"a: https://[fd00::a]:2380\nb: fd00::a/64\n\"c\": [fd00::1:2, "
		"'fd00::a.', \"fd00::a: gone\", \"x=fd00::a,[fd00::a]\"]\n"
		"d: fd00::a%eth0 fd00::1g fd00::1- g:fd00::1 fd00::1::1 1.2.3.4\n");
	becomes("FD00::1 m1\nfd00::1\n", KUBE_TEXT, "fd00::a m7\nfd00::a\n");
	assert_string_equal(
		kube_replaced(
			&arena, "m1=https://[Fd00:0::1]:2380,m7=https://[fd00::10]:2380", &wanted),
		"m7=https://[fd00::a]:2380,m1=https://[fd00::10]:2380");
	arena_free(&arena);
	arena = ARENA(64 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_documents),
		cmocka_unit_test(lines_of_texts),
		cmocka_unit_test(spellings_of_version_6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
