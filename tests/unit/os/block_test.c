#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/block.h"

struct seen {
	struct arena arena;
	struct root root;
	struct block *v;
	size_t n;
};

static void look(struct seen *s, const char *tree)
{
	struct err e = { 0 };

	s->arena = ARENA(1 << 20);
	assert_int_equal(root_open(&s->root, tree, &e), 0);
	assert_int_equal(block_list(&s->v, &s->n, &s->arena, &s->root, &e), 0);
}

static void forget(struct seen *s)
{
	root_close(&s->root);
	arena_free(&s->arena);
}

static void block_list_tells_what_a_disk_is(void **state)
{
	struct seen s;

	(void)state;
	look(&s, "../tests/trees/dell-r610");
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0].name, "sda");
	assert_string_equal(s.v[0].model, "PERC H700");
	assert_string_equal(s.v[0].serial, "00a1b2c3d4e5f60718293a4b5c6d7e8f");
	assert_string_equal(s.v[0].wwn, "naa.6842b2b0123456789abcdef012345678");
	assert_string_equal(s.v[0].driver, "megaraid_sas");
	assert_string_equal(s.v[0].transport, "scsi");
	assert_true(s.v[0].size == 299439751168);
	assert_true(s.v[0].rotational && !s.v[0].removable && !s.v[0].optical);
	assert_int_equal(s.v[0].paths, 1);
	assert_int_equal(s.v[0].n_parts, 2);
	assert_string_equal(s.v[0].parts[1].name, "sda2");
	assert_string_equal(s.v[0].parts[1].uuid, "12345678-02");
	assert_null(s.v[0].parts[1].label);
	assert_true(s.v[0].parts[1].start == 2099200ULL * 512);
	forget(&s);
}

static void block_list_takes_the_serial_of_a_stick_from_its_usb_device(void **state)
{
	struct seen s;

	(void)state;
	look(&s, "../tests/trees/dell-r610");
	assert_string_equal(s.v[1].name, "sdb");
	assert_string_equal(s.v[1].transport, "usb");
	assert_string_equal(s.v[1].serial, "4C530001230815112233");
	assert_true(s.v[1].removable);
	assert_string_equal(s.v[2].name, "sr0");
	assert_true(s.v[2].optical);
	assert_int_equal(s.v[2].sector, 2048);
	forget(&s);
}

static void block_list_counts_the_paths_to_one_disk(void **state)
{
	struct seen s;

	(void)state;
	look(&s, "../tests/trees/uefi-san");
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0].name, "nvme0n1");
	assert_string_equal(s.v[0].transport, "nvme");
	assert_string_equal(s.v[0].serial, "S6EWNA0R401234");
	assert_int_equal(s.v[0].paths, 1);
	/* By number, not by letter: p10 comes after p2. */
	assert_int_equal(s.v[0].n_parts, 3);
	assert_string_equal(s.v[0].parts[2].name, "nvme0n1p10");
	assert_string_equal(s.v[0].parts[2].label, "ETCDLVM");
	assert_string_equal(s.v[1].transport, "fc");
	assert_int_equal(s.v[1].paths, 2);
	assert_int_equal(s.v[2].paths, 2);
	forget(&s);
}

static void block_list_leaves_unused_loops_out(void **state)
{
	struct seen s;

	(void)state;
	look(&s, "../tests/trees/bare");
	assert_int_equal(s.n, 0);
	block_probe(s.v, s.n, &s.arena, &s.root, 1000);
	forget(&s);
}

static void block_find_takes_a_disk_by_its_own_name_and_by_its_partitions(void **state)
{
	struct seen s;

	(void)state;
	look(&s, "../tests/trees/dell-r610");
	assert_ptr_equal(block_find(s.v, s.n, "sda"), &s.v[0]);
	assert_ptr_equal(block_find(s.v, s.n, "sda2"), &s.v[0]);
	assert_null(block_find(s.v, s.n, "sda3"));
	assert_null(block_find(s.v, s.n, "sd"));
	forget(&s);
}

static void block_probe_says_why_it_knows_nothing(void **state)
{
	struct seen s;

	(void)state;
	look(&s, "../tests/trees/dell-r610");
	block_probe(s.v, s.n, &s.arena, &s.root, 10000);
	assert_string_equal(s.v[0].trouble, "cannot be read: dev/sda: No such file or directory");
	assert_string_equal(
		s.v[0].parts[0].trouble, "cannot be read: dev/sda1: No such file or directory");
	forget(&s);
}

/* A disk that never answers is a pipe nobody writes to; beside it one that does. */
static void block_probe_does_not_wait_for_a_dead_disk(void **state)
{
	char dir[] = "/tmp/etcd-rescue-test-XXXXXX";
	struct arena arena = ARENA(1 << 20);
	struct root root;
	struct err e = { 0 };
	struct block disks[] = {
		{ .name = "dead", .size = 4096 },
		{ .name = "fine", .size = 4096 },
	};

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(root_open(&root, dir, &e), 0);
	assert_int_equal(mkdirat(root.fd, "dev", 0700), 0);
	assert_int_equal(mkfifoat(root.fd, "dev/dead", 0600), 0);
	const int fd = openat(root.fd, "dev/fine", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "XFSB", 4), 4);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);

	/* Who waits for the dead one does so for ever; the fine one may be slow. */
	alarm(300);
	for (int limit = 300; limit < 60000; limit *= 2) {
		block_probe(disks, 2, &arena, &root, limit);
		if (!disks[1].trouble)
			break;
	}
	alarm(0);
	assert_string_equal(disks[0].trouble, "does not answer");
	assert_null(disks[1].trouble);
	assert_int_equal(disks[1].content.kind, SUPERBLOCK_XFS);

	unlinkat(root.fd, "dev/dead", 0);
	unlinkat(root.fd, "dev/fine", 0);
	unlinkat(root.fd, "dev", AT_REMOVEDIR);
	root_close(&root);
	rmdir(dir);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_list_tells_what_a_disk_is),
		cmocka_unit_test(block_list_takes_the_serial_of_a_stick_from_its_usb_device),
		cmocka_unit_test(block_list_counts_the_paths_to_one_disk),
		cmocka_unit_test(block_list_leaves_unused_loops_out),
		cmocka_unit_test(block_find_takes_a_disk_by_its_own_name_and_by_its_partitions),
		cmocka_unit_test(block_probe_says_why_it_knows_nothing),
		cmocka_unit_test(block_probe_does_not_wait_for_a_dead_disk),
	};
	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
