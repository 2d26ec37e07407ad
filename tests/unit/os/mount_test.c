/* Against ext4 on a loop device, taken as EBS takes a snapshot: while it was mounted and in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"
#include "os/mount.h"
#include "os/process.h"

static char dir[64], live[96], copy[96];

struct loop {
	char device[32];
	int fd;
};

static bool loop_open(struct loop *loop, const char *path)
{
	const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const int file = open(path, O_RDWR | O_CLOEXEC);
	bool well = false;

	for (int round = 0; control >= 0 && file >= 0 && !well && round < 20; round++) {
		const int number = ioctl(control, LOOP_CTL_GET_FREE);
		struct loop_config config = { .fd = (uint32_t)file };
		if (number < 0)
			break;
		snprintf(loop->device, sizeof loop->device, "/dev/loop%d", number);
		loop->fd = open(loop->device, O_RDWR | O_CLOEXEC);
		well = loop->fd >= 0 && !ioctl(loop->fd, LOOP_CONFIGURE, &config);
		if (!well && loop->fd >= 0)
			close(loop->fd);
	}
	if (control >= 0)
		close(control);
	if (file >= 0)
		close(file);
	return well;
}

static void loop_close(struct loop *loop)
{
	ioctl(loop->fd, LOOP_CLR_FD, 0);
	close(loop->fd);
}

/* An emulator of another processor's programs may know no mounts of this kind. */
static bool cannot_mount(void)
{
	const int fd = (int)syscall(SYS_fsopen, "ext4", 1 /* FSOPEN_CLOEXEC */);
	const bool unknown = fd < 0 && errno == ENOSYS;

	if (fd >= 0)
		close(fd);
	return geteuid() || unknown;
}

static bool run(const char *const *argv)
{
	int status = 1;
	struct err e;

	return !process_run(&status, argv, 60000, NULL, &e) && status == 0;
}

/* FNV-1a over 64-bit words: enough to see that a byte has changed. */
static uint64_t sum_of(const char *path)
{
	static uint64_t piece[8192];
	uint64_t sum = 0xcbf29ce484222325;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0) {
		for (size_t i = 0; i < (size_t)n / 8; i++)
			sum = (sum ^ piece[i]) * 0x100000001b3;
	}
	close(fd);
	return sum;
}

/* A file system whose last file is in the journal alone. */
static int prepare(void **state)
{
	const char *const copying[] = { "/bin/cp", live, copy, NULL };
	const char *const making[] = { "/usr/sbin/mkfs.ext4", "-q", "-F", live, NULL };
	char file[128];
	struct loop loop;

	(void)state;
	if (geteuid())
		return 0;
	snprintf(dir, sizeof dir, "/tmp/mount-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(live, sizeof live, "%s/live", dir);
	snprintf(copy, sizeof copy, "%s/copy", dir);
	const int fd = open(live, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 32 << 20) || close(fd) || !run(making))
		return -1;
	char point[96];
	snprintf(point, sizeof point, "%s/point", dir);
	if (mkdir(point, 0700) || !loop_open(&loop, live) ||
		mount(loop.device, point, "ext4", 0, NULL))
		return -1;
	snprintf(file, sizeof file, "%s/snapshot.db", point);
	const int written = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	const bool well = written >= 0 && write(written, "the keys", 8) == 8 && !fsync(written);
	close(written);
	/* Through the block device, or we would see what has not got that far. */
	const bool copied = run(copying);
	umount(point);
	rmdir(point);
	loop_close(&loop);
	return well && copied ? 0 : -1;
}

static int clean(void **state)
{
	(void)state;
	if (!geteuid()) {
		unlink(live);
		unlink(copy);
		rmdir(dir);
	}
	return 0;
}

static void with_disk(enum mount_journal journal, bool *has_file, bool *same_bytes)
{
	struct root root = NO_ROOT, mounted = NO_ROOT;
	struct err e = { 0 };
	struct loop loop;

	assert_int_equal(root_open(&root, "/", &e), 0);
	const uint64_t before = sum_of(copy);
	assert_true(loop_open(&loop, copy));
	const int bad = mount_open(&mounted, &root, loop.device, SUPERBLOCK_EXT4, journal, &e);
	if (bad)
		fail_msg("%s", e.text);
	struct buf text CLEAN_BUF = BUF(100);
	*has_file = !file_read(&text, &mounted, "/snapshot.db", &e);
	if (*has_file)
		assert_true(str_is(buf_text(&text), "the keys"));
	/* Nothing can be written, and nothing is left when the descriptor goes. */
	int fd = -1;
	assert_int_not_equal(root_open_at(&fd, &mounted, "/new", O_CREAT | O_WRONLY, &e), 0);
	assert_int_equal(e.errnum, EROFS);
	root_close(&mounted);
	const int alone = open(loop.device, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(alone >= 0);
	close(alone);
	loop_close(&loop);
	sync();
	*same_bytes = before == sum_of(copy);
	root_close(&root);
}

static void a_foreign_disk_is_looked_at_without_writing_a_byte(void **state)
{
	bool has_file, same;

	(void)state;
	if (cannot_mount())
		skip();
	with_disk(MOUNT_AS_IT_IS, &has_file, &same);
	assert_true(same);
	assert_false(has_file); /* it is in the journal: or the next test shows nothing */
}

static void the_journal_of_a_clone_is_replayed(void **state)
{
	bool has_file, same;

	(void)state;
	if (cannot_mount())
		skip();
	with_disk(MOUNT_REPLAY, &has_file, &same);
	assert_true(has_file);
	assert_false(same);
}

static void what_is_no_file_system_is_refused_by_its_name(void **state)
{
	struct root root = NO_ROOT, mounted = NO_ROOT;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(root_open(&root, "/", &e), 0);
	assert_int_equal(
		mount_open(&mounted, &root, "/dev/null", SUPERBLOCK_LVM2, MOUNT_AS_IT_IS, &e),
		ERR_UNSUPPORTED);
	assert_string_equal(e.text, "/dev/null: lvm2 on it, which is no file system");
	assert_int_equal(
		mount_open(&mounted, &root, "/dev/null", SUPERBLOCK_EXT4, MOUNT_AS_IT_IS, &e),
		ERR_FORMAT);
	assert_string_equal(e.text, "/dev/null: is no disk");
	assert_false(mount_possible(SUPERBLOCK_LUKS2));
	assert_true(mount_possible(SUPERBLOCK_XFS));
	root_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_foreign_disk_is_looked_at_without_writing_a_byte),
		cmocka_unit_test(the_journal_of_a_clone_is_replayed),
		cmocka_unit_test(what_is_no_file_system_is_refused_by_its_name),
	};
	return cmocka_run_group_tests(tests, prepare, clean);
}
