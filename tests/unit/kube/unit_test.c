#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/env.h"
#include "kube/unit.h"

static struct arena arena = ARENA(64 << 20);
static struct root root = NO_ROOT;
static char dir[64];

static void put(const char *path, const char *text)
{
	char command[256], whole[256];

	snprintf(command, sizeof command, "mkdir -p $(dirname %s/%s)", dir, path);
	assert_int_equal(system(command), 0);
	snprintf(whole, sizeof whole, "%s/%s", dir, path);
	FILE *f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	strcpy(dir, "/tmp/unit_test.XXXXXX");
	return !mkdtemp(dir) || root_open(&root, dir, &e);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&root);
	arena_free(&arena);
	arena = ARENA(64 << 20);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static const char *text(struct str s)
{
	return arena_copy(&arena, s);
}

static void drop_ins_follow_in_the_order_of_their_names(void **state)
{
	struct kube_files files = kube_files(&arena, &root);
	struct kube_unit unit;
	struct kube_args args;
	struct kube_slot slot;
	struct err e = { 0 };

	(void)state;
	put("lib/systemd/system/etcd.service",
		"[Unit]\nDescription=x\n[Service]\nEnvironmentFile=-/etc/etcd.env\n"
		"Environment=\"A=one two\" B=b\nExecStart=/usr/bin/etcd --name=old\n");
	put("lib/systemd/system/etcd.service.d/20.conf", "[Service]\nEnvironment=B=c\n");
	put("lib/systemd/system/etcd.service.d/10.conf", "[Service]\nExecStart=/hidden --name=h\n");
	put("etc/systemd/system/etcd.service.d/10.conf",
		"[Service]\nExecStart=\nExecStart=/usr/bin/etcd --name=new \\\n# in between\n"
		"  --data-dir=/d\n");
	put("etc/etcd.env", "# B=comment\nexport C='c d'\nD=\"$X\"\nE=\n");
	if (kube_unit(&unit, &files, "etcd.service", &e) || kube_unit_args(&args, &unit, &e))
		fail_msg("%s", e.text);
	assert_string_equal(unit.path, "lib/systemd/system/etcd.service");
	assert_true(kube_flag(&slot, &args, "name"));
	assert_string_equal(text(slot.value), "new");
	assert_string_equal(slot.file->path, "etc/systemd/system/etcd.service.d/10.conf");
	assert_true(kube_flag(&slot, &args, "data-dir"));
	assert_string_equal(text(slot.value), "/d");
	assert_true(kube_unit_env(&slot, &unit, "A"));
	assert_string_equal(text(slot.value), "one two");
	assert_true(kube_unit_env(&slot, &unit, "B"));
	assert_string_equal(text(slot.value), "c");
	assert_true(kube_unit_env(&slot, &unit, "C"));
	assert_string_equal(text(slot.value), "c d");
	assert_int_equal(kube_slot_set(&slot, STR("c'd"), "", &e), ERR_FORMAT);
	assert_int_equal(kube_slot_set(&slot, STR("e $f"), "", &e), 0);
	assert_true(kube_unit_env(&slot, &unit, "D"));
	assert_int_equal(kube_slot_set(&slot, STR("x"), "", &e), ERR_FORMAT);
	assert_true(kube_unit_env(&slot, &unit, "E"));
	assert_int_equal(kube_slot_set(&slot, STR("https://[::1]:2380"), "", &e), 0);
	assert_false(kube_unit_env(&slot, &unit, "F"));

	CLEAN_BUF struct buf out = BUF(4096);
	assert_int_equal(kube_file(&slot.file, &files, "/etc/etcd.env", &e), 0);
	assert_int_equal(kube_result(&out, slot.file, &e), 0);
	assert_string_equal(text(buf_text(&out)),
		"# B=comment\nexport C='e $f'\nD=\"$X\"\nE='https://[::1]:2380'\n");
}

static void lines_that_go_on(void **state)
{
	struct kube_files files = kube_files(&arena, &root);
	struct kube_unit unit;
	struct kube_args args;
	struct kube_slot slot;
	struct err e = { 0 };

	(void)state;
	put("etc/systemd/system/etcd.service",
		"[Service]\nEnvironment=A=%%h B=%h \"C=x%%\"\n"
		"ExecStart=-/usr/bin/etcd --name=new \\\n"
		"  # it's --name=comment \\\n"
		"; --data-dir=/comment\n  --data-dir=/d --x='#1' # 2\n");
	put("etc/env", "A=x \\\nB=no\nC=\"one\nD=no\"\nE=yes\r\nF='\\' \nG=a'\nH=b");
	if (kube_unit(&unit, &files, "etcd.service", &e) || kube_unit_args(&args, &unit, &e))
		fail_msg("%s", e.text);
	assert_true(kube_flag(&slot, &args, "name"));
	assert_string_equal(text(slot.value), "new");
	assert_true(kube_flag(&slot, &args, "data-dir"));
	assert_string_equal(text(slot.value), "/d");
	assert_true(kube_flag(&slot, &args, "x"));
	assert_string_equal(text(slot.value), "#1");
	/* A doubled % is one, and is not half of what is replaced. */
	assert_true(kube_unit_env(&slot, &unit, "A"));
	assert_string_equal(text(slot.value), "%h");
	assert_int_equal(kube_slot_set(&slot, STR("b"), "", &e), ERR_FORMAT);
	assert_true(kube_unit_env(&slot, &unit, "B") && !slot.fixed);
	assert_true(kube_unit_env(&slot, &unit, "C"));
	assert_string_equal(text(slot.value), "x%");

	struct kube_file *file;
	assert_int_equal(kube_file(&file, &files, "etc/env", &e), 0);
	assert_false(kube_env(&slot, file, "B") || kube_env(&slot, file, "D"));
	assert_true(kube_env(&slot, file, "A"));
	assert_int_equal(kube_slot_set(&slot, STR("b"), "", &e), ERR_FORMAT);
	assert_true(kube_env(&slot, file, "C"));
	assert_int_equal(kube_slot_set(&slot, STR("b"), "", &e), ERR_FORMAT);
	assert_true(kube_env(&slot, file, "E"));
	assert_string_equal(text(slot.value), "yes");
	assert_true(kube_env(&slot, file, "F") && kube_env(&slot, file, "G"));
	assert_true(kube_env(&slot, file, "H"));
	assert_string_equal(text(slot.value), "b");
}

static void units_that_are_not_there(void **state)
{
	struct kube_files files = kube_files(&arena, &root);
	struct kube_unit unit;
	struct err e = { 0 };
	char path[128];

	(void)state;
	assert_int_equal(kube_unit(&unit, &files, "etcd.service", &e), ERR_NOTFOUND);
	put("etc/systemd/system/other.service", "[Service]\n");
	snprintf(path, sizeof path, "%s/etc/systemd/system/etcd.service", dir);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(kube_unit(&unit, &files, "etcd.service", &e), ERR_DECLINED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			drop_ins_follow_in_the_order_of_their_names, begin, end),
		cmocka_unit_test_setup_teardown(lines_that_go_on, begin, end),
		cmocka_unit_test_setup_teardown(units_that_are_not_there, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
