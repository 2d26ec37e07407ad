/* Disks made of files: a loop device under the name of a disk in a tree of our own, so that none of
 * this machine's is looked at. As root alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/process.h"
#include "source/source.h"

enum { LOOPS = 2, BIG = 320 << 20 };

static struct arena arena = ARENA(64 << 20);
static char top[64];
static struct root root = NO_ROOT;
static struct source_settings settings;
static struct source *source;
static struct source_objects objects;
static struct err e;
static int loops[LOOPS] = { -1, -1 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static const char *at(const char *path)
{
	return arena_print(&arena, "%s/%s", top, path);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(at(path), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	static const char *const directories[] = { "sys", "sys/block", "dev", "content",
		"content/etcd" };

	(void)state;
	strcpy(top, "/tmp/etcd-rescue-test-XXXXXX");
	memset(&e, 0, sizeof e);
	source = NULL;
	settings = (struct source_settings){ .root = &root };
	if (!mkdtemp(top) || root_open(&root, top, &e))
		return -1;
	for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
		mkdir(at(directories[i]), 0755);
	put("content/etcd/snapshot.db", "a snapshot");
	assert_int_equal(symlink("../../../../etc/hostname", at("content/etcd/outside")), 0);
	assert_int_equal(symlink("/etcd/snapshot.db", at("content/etcd/latest.db")), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	source_close(source);
	source = NULL;
	for (size_t i = 0; i < LOOPS; i++) {
		if (loops[i] >= 0) {
			ioctl(loops[i], LOOP_CLR_FD, 0);
			close(loops[i]);
		}
		loops[i] = -1;
	}
	root_close(&root);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_free(&arena);
	return 0;
}

/* A file system in a file. False where the program for it is missing. */
static bool make(const char *image, const char *const *argv, off_t size)
{
	CLEAN_BUF struct buf output = BUF(1 << 16);
	const char *command[16] = { "/usr/bin/env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin" };
	int status = 0;

	for (size_t i = 0; argv[i]; i++)
		command[i + 2] = argv[i];
	FILE *f = fopen(image, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	if (size)
		assert_int_equal(truncate(image, size), 0);
	assert_int_equal(process_run(&status, command, 60000, &output, &e), 0);
	if (status == 127) {
		print_message("%s is not there\n", argv[0]);
		return false;
	}
	if (status)
		print_error("%s: %.*s\n", argv[0], STR_ARG(buf_text(&output)));
	assert_int_equal(status, 0);
	return true;
}

/* An emulator of another processor's programs may know no mounts of this kind. */
static bool cannot_mount(void)
{
	const int fd = (int)syscall(SYS_fsopen, "ext4", 1 /* FSOPEN_CLOEXEC */);
	const bool unknown = fd < 0 && errno == ENOSYS;

	if (fd >= 0)
		close(fd);
	return unknown;
}

/* dev/NAME below our root is the image, and sys/block knows of it. */
static bool attach(unsigned i, const char *name, const char *image)
{
	const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const int file = open(image, O_RDWR | O_CLOEXEC);
	char device[32];
	struct stat st;

	assert_true(file >= 0);
	if (cannot_mount()) {
		close(file);
		close(control);
		return false;
	}
	const int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(device, sizeof device, "/dev/loop%d", number);
	loops[i] = number < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC);
	const struct loop_config config = { .fd = (unsigned)file };
	const bool ok = loops[i] >= 0 && !ioctl(loops[i], LOOP_CONFIGURE, &config);
	close(file);
	if (!ok)
		return false;
	assert_int_equal(fstat(loops[i], &st), 0);
	assert_int_equal(
		mknod(at(arena_print(&arena, "dev/%s", name)), S_IFBLK | 0600, st.st_rdev), 0);
	const char *sys = arena_print(&arena, "sys/block/%s", name);
	assert_int_equal(mkdir(at(sys), 0755), 0);
	put(arena_print(&arena, "%s/size", sys), "655360\n");
	put(arena_print(&arena, "%s/removable", sys), "1\n");
	return true;
}

static int list(const char *url)
{
	source_close(source);
	source = NULL;
	settings.url = url;
	return source_open(&source, &settings, &e) ? e.code
						   : source_list(source, &objects, &arena, &e);
}

static void expect_snapshot(const char *url, const char *listed)
{
	const struct source_object *object = NULL;
	struct stream stream;
	char text[32] = "";
	size_t got = 0;

	if (list(url))
		fail_msg("%s: %s", url, e.text);
	for (size_t i = 0; i < objects.n; i++) {
		assert_null(strstr(objects.v[i].name, "outside"));
		if (!strcmp(objects.v[i].url, listed))
			object = &objects.v[i];
	}
	assert_non_null(object);
	assert_int_equal(object->size, 10);
	assert_int_equal(source_read(source, &stream, object, &e), 0);
	assert_int_equal(stream_read(&stream, &got, text, sizeof text - 1, &e), 0);
	assert_string_equal(text, "a snapshot");
	stream_close(&stream);
}

/* By device and by label, as a directory and as a file; and nothing stays mounted. */
static void expect_disk(const char *image, const char *label)
{
	if (!attach(0, "sda", image))
		skip();
	expect_snapshot("dev:/dev/sda:/etcd", "dev:/dev/sda:/etcd/snapshot.db");
	expect_snapshot("dev:/dev/sda:/etcd/latest.db", "dev:/dev/sda:/etcd/latest.db");
	expect_snapshot("dev:/dev/sda", "dev:/dev/sda:/etcd/snapshot.db");
	if (label)
		expect_snapshot(arena_print(&arena, "label:%s:/etcd", label),
			arena_print(&arena, "label:%s:/etcd/snapshot.db", label));
	assert_int_equal(list("dev:/dev/sda:/none"), ERR_NOTFOUND);
	source_close(source);
	source = NULL;
	assert_int_equal(ioctl(loops[0], LOOP_CLR_FD, 0), 0);
	/* Somebody who still had it mounted would keep it busy. */
	struct loop_info64 info;
	assert_int_equal(ioctl(loops[0], LOOP_GET_STATUS64, &info), -1);
}

static bool make_ext4(const char *image, const char *label)
{
	return make(image,
		(const char *const[]){
			"mkfs.ext4", "-q", "-F", "-L", label, "-d", at("content"), image, NULL },
		16 << 20);
}

static void dev_reads_ext4(void **state)
{
	(void)state;
	if (geteuid() || !make_ext4(at("image"), "BACKUP"))
		skip();
	expect_disk(at("image"), "BACKUP");
}

static void dev_reads_xfs(void **state)
{
	const char *proto = "proto";

	(void)state;
	put(proto, arena_print(&arena,
			   "/none\n0 0\nd--755 0 0\netcd d--755 0 0\nsnapshot.db ---644 0 0 %s\n"
			   "latest.db l--777 0 0 /etcd/snapshot.db\n$\n$\n",
			   at("content/etcd/snapshot.db")));
	if (geteuid() || !make(at("image"),
				 (const char *const[]){ "mkfs.xfs", "-q", "-f", "-L", "BACKUP",
					 "-p", at(proto), at("image"), NULL },
				 BIG))
		skip();
	expect_disk(at("image"), "BACKUP");
}

static void dev_reads_btrfs(void **state)
{
	(void)state;
	if (geteuid() || !make(at("image"),
				 (const char *const[]){ "mkfs.btrfs", "-q", "-f", "-L", "BACKUP",
					 "--rootdir", at("content"), at("image"), NULL },
				 BIG))
		skip();
	expect_disk(at("image"), "BACKUP");
}

static void dev_reads_squashfs(void **state)
{
	(void)state;
	if (geteuid() || !make(at("image"),
				 (const char *const[]){ "mksquashfs", at("content"), at("image"),
					 "-noappend", "-quiet", "-no-progress", NULL },
				 0))
		skip();
	expect_disk(at("image"), NULL);
}

static bool kernel_knows(const char *type)
{
	char line[128];
	bool found = false;
	FILE *f = fopen("/proc/filesystems", "r");

	while (f && fgets(line, sizeof line, f))
		found |= strstr(line, type) != NULL;
	if (f)
		fclose(f);
	if (!found)
		print_message("this kernel has no %s\n", type);
	return found;
}

static void dev_reads_iso9660(void **state)
{
	(void)state;
	if (geteuid() || !kernel_knows("iso9660") ||
		!make(at("image"),
			(const char *const[]){ "xorriso", "-as", "mkisofs", "-quiet", "-R", "-V",
				"BACKUP", "-o", at("image"), at("content"), NULL },
			0))
		skip();
	expect_disk(at("image"), "BACKUP");
}

static void dev_reads_vfat(void **state)
{
	CLEAN_BUF struct buf output = BUF(1 << 16);
	int status = 0;

	(void)state;
	if (geteuid() || !kernel_knows("vfat") ||
		!make(at("image"),
			(const char *const[]){ "mkfs.vfat", "-n", "BACKUP", at("image"), NULL },
			16 << 20))
		skip();
	/* FAT has no links. */
	assert_int_equal(unlink(at("content/etcd/outside")), 0);
	assert_int_equal(unlink(at("content/etcd/latest.db")), 0);
	put("content/etcd/latest.db", "a snapshot");
	const char *const copy[] = { "/usr/bin/env", "mcopy", "-s", "-i", at("image"),
		at("content/etcd"), "::", NULL };
	assert_int_equal(process_run(&status, copy, 60000, &output, &e), 0);
	assert_int_equal(status, 0);
	expect_disk(at("image"), "backup");
}

static void label_that_two_disks_have_is_refused(void **state)
{
	(void)state;
	if (geteuid() || !make_ext4(at("one"), "BACKUP") || !make_ext4(at("two"), "BACKUP") ||
		!attach(0, "sda", at("one")) || !attach(1, "sdb", at("two")))
		skip();
	assert_int_equal(list("label:BACKUP"), ERR_DECLINED);
	assert_string_equal(e.text,
		"/dev/sda and /dev/sdb both have the label 'BACKUP'; say which one: dev:/dev/sdb");
	expect_snapshot("dev:/dev/sdb", "dev:/dev/sdb:/etcd/snapshot.db");
}

static void label_that_nobody_has_names_what_was_looked_at(void **state)
{
	(void)state;
	if (geteuid() || !make_ext4(at("one"), "ROOT") || !attach(0, "sda", at("one")))
		skip();
	assert_int_equal(truncate(at("two"), 0), -1);
	put("two", "");
	assert_int_equal(truncate(at("two"), 1 << 20), 0);
	if (!attach(1, "sdb", at("two")))
		skip();
	assert_int_equal(list("label:BACKUP"), ERR_NOTFOUND);
	assert_string_equal(e.text,
		"no file system labelled 'BACKUP'; there are sda (ext4 'ROOT'), "
		"sdb (nothing known)");
	assert_int_equal(list("dev:/dev/sdb"), ERR_NOTFOUND);
	assert_string_equal(
		e.text, "/dev/sdb: there is no file system on it but nothing that is known");
}

static void dev_refuses_what_is_no_disk(void **state)
{
	(void)state;
	put("dev/file", "x");
	assert_int_equal(list("dev:/dev/file"), ERR_FORMAT);
	assert_string_equal(e.text, "/dev/file: is no disk; for a file write file:/dev/file");
	assert_int_equal(list("dev:/dev/none"), ERR_NOTFOUND);
	assert_int_equal(list("dev:sda"), ERR_USAGE);
	assert_int_equal(list("dev:"), ERR_USAGE);
	assert_int_equal(list("label:"), ERR_USAGE);
	assert_int_equal(list("label::/x"), ERR_USAGE);
}

/* Not even looked at, so there is nothing to be mounted and no device to name. */
static void dev_says_what_is_closed_to_us(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(mkdir(at("closed"), 0700), 0);
	put("closed/disk", "x");
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	const int result = list("dev:/closed/disk");
	assert_int_equal(seteuid(0), 0);
	assert_true(result < 0);
	assert_non_null(strstr(e.text, "/closed/disk"));
	assert_null(strstr(e.text, "mount"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(dev_reads_ext4),
		TEST(dev_reads_xfs),
		TEST(dev_reads_btrfs),
		TEST(dev_reads_squashfs),
		TEST(dev_reads_iso9660),
		TEST(dev_reads_vfat),
		TEST(label_that_two_disks_have_is_refused),
		TEST(label_that_nobody_has_names_what_was_looked_at),
		TEST(dev_refuses_what_is_no_disk),
		TEST(dev_says_what_is_closed_to_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
