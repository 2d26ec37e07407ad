/* A real overlay, mounted in a mount namespace of our own over tmpfs; needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/file.h"
#include "target/overlay.h"

static char dir[64];
static struct root root = NO_ROOT;
static bool has_overlay;

static const char *at(const char *path)
{
	static char whole[2][256];
	static int i;

	i = !i;
	snprintf(whole[i], sizeof whole[i], "%s/%s", dir, path);
	return whole[i];
}

static void put(const char *path)
{
	struct err e = { 0 };

	if (target_create(&root, path, NULL, 0600, SPAN("x"), &e))
		fail_msg("%s", e.text);
}

static bool mount_it(void)
{
	char options[512];

	snprintf(options, sizeof options, "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		dir, dir, dir);
	return !mount("overlay", at("merged"), "overlay", 0, options);
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	strcpy(dir, "/tmp/overlay_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	has_overlay = !geteuid() && !unshare(CLONE_NEWNS) &&
		      !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		      !mount("tmpfs", dir, "tmpfs", 0, "size=4m");
	if (root_open(&root, dir, &e))
		return -1;
	for (const char *const *d =
			(const char *const[]){ "lower", "upper", "work", "merged", NULL };
		*d; d++)
		mkdir(at(*d), 0755);
	if (has_overlay && (has_overlay = mount_it()))
		umount(at("merged"));
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&root);
	umount2(dir, MNT_DETACH);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* As a restore does it: the new member is staged, gets its name, and the machine is started. */
static void restore_over_a_lower_member(bool opaque)
{
	struct err e = { 0 };
	bool is = !opaque;

	put("lower/member/wal/old.wal");
	put("lower/member/snap/db");
	put("lower/other");
	put("upper/staged/wal/new.wal");
	if (opaque && target_make_opaque(&root, "upper/staged", &e))
		fail_msg("%s", e.text);
	assert_int_equal(target_is_opaque(&is, &root, "upper/staged", &e), 0);
	assert_int_equal(is, opaque);
	assert_int_equal(rename(at("upper/staged"), at("upper/member")), 0);
	assert_true(mount_it());
	assert_int_equal(access(at("merged/other"), F_OK), 0);
	assert_int_equal(access(at("merged/member/wal/new.wal"), F_OK), 0);
}

static void without_it_old_files_are_back(void **state)
{
	(void)state;
	if (!has_overlay)
		skip();
	restore_over_a_lower_member(false);
	assert_int_equal(access(at("merged/member/wal/old.wal"), F_OK), 0);
	assert_int_equal(access(at("merged/member/snap/db"), F_OK), 0);
	umount(at("merged"));
}

static void with_it_they_are_not(void **state)
{
	(void)state;
	if (!has_overlay)
		skip();
	restore_over_a_lower_member(true);
	assert_int_equal(access(at("merged/member/wal/old.wal"), F_OK), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(access(at("merged/member/snap"), F_OK), -1);
	umount(at("merged"));
}

static void only_directories_can_be(void **state)
{
	struct err e = { 0 };

	(void)state;
	put("upper/file");
	assert_int_equal(symlink("/lower", at("upper/link")), 0);
	assert_int_equal(target_make_opaque(&root, "upper/file", &e), ERR_DECLINED);
	assert_int_equal(target_make_opaque(&root, "upper/link", &e), ERR_DECLINED);
	assert_int_equal(target_make_opaque(&root, "upper/none", &e), ERR_NOTFOUND);
	assert_int_equal(target_make_opaque(&root, "../../../../proc/self", &e), ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_it_old_files_are_back, begin, end),
		cmocka_unit_test_setup_teardown(with_it_they_are_not, begin, end),
		cmocka_unit_test_setup_teardown(only_directories_can_be, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
