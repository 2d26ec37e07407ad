#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "target/probe.h"

static struct block_part parts[] = {
	{ .name = "sda1",
		.uuid = "aaaa-01",
		.label = "BOOT part",
		.content = { .kind = SUPERBLOCK_VFAT, .label = "EFI", .uuid = "1234-ABCD" } },
	{ .name = "sda2",
		.uuid = "aaaa-02",
		.content = { .kind = SUPERBLOCK_LUKS2, .label = "ETCDLVM", .uuid = "u-2" } },
	{ .name = "sda3", .trouble = "cannot be read: 5" },
};

static const struct block blocks[] = {
	{ .name = "sda", .parts = parts, .n_parts = 3, .content = { .table = TABLE_GPT } },
	{ .name = "sdb",
		.wwn = "naa.1",
		.paths = 2,
		.content = { .kind = SUPERBLOCK_SWAP, .label = "twin", .uuid = "u-3" } },
	{ .name = "sdc",
		.wwn = "naa.1",
		.paths = 2,
		.content = { .kind = SUPERBLOCK_SWAP, .label = "twin", .uuid = "u-3" } },
	{ .name = "dm-0",
		.alias = "etcd--vg-data",
		.content = { .kind = SUPERBLOCK_LVM2, .label = "LV", .uuid = "u-4" } },
	{ .name = "sdd" }, /* blank */
};

static const char *name_of(const struct target_volumes *v, const char *device)
{
	const struct target_volume *found = target_probe_find(v, device);

	return found ? found->name : "";
}

static void volumes_are_named_with_what_they_need(void **state)
{
	struct arena a = ARENA(1 << 20);
	CLEAN_ROOT struct root root = NO_ROOT;
	struct target_volumes v;

	(void)state;
	/* Nothing is there to be mounted: each has to say so. */
	target_probe(&v, &a, &root, blocks, 5);
	assert_int_equal(v.n, 6);
	for (size_t i = 0; i < v.n; i++)
		assert_non_null(v.v[i].why);
	assert_non_null(strstr(v.v[1].why, "cryptsetup"));
	assert_true(v.v[1].locked);
	assert_string_equal(v.v[2].why, "cannot be read: 5");
	assert_true(v.v[2].locked);
	assert_false(v.v[3].locked);
	assert_string_equal(v.v[4].why, "another path to sdb");
	assert_non_null(strstr(v.v[5].why, "vgchange"));
	target_probe_close(&v);
	arena_free(&a);
}

static void devices_have_many_names(void **state)
{
	struct arena a = ARENA(1 << 20);
	CLEAN_ROOT struct root root = NO_ROOT;
	struct target_volumes v;

	(void)state;
	target_probe(&v, &a, &root, blocks, 5);
	assert_string_equal(name_of(&v, "UUID=1234-abcd"), "sda1");
	assert_string_equal(name_of(&v, "LABEL=ETCDLVM"), "sda2");
	assert_string_equal(name_of(&v, "LABEL=etcdlvm"), "");
	assert_string_equal(name_of(&v, "PARTUUID=AAAA-02"), "sda2");
	assert_string_equal(name_of(&v, "PARTLABEL=BOOT part"), "sda1");
	assert_string_equal(name_of(&v, "/dev/sda2"), "sda2");
	assert_string_equal(name_of(&v, "/dev/mapper/etcd--vg-data"), "dm-0");
	assert_string_equal(name_of(&v, "/dev/etcd-vg/data"), "dm-0");
	assert_string_equal(name_of(&v, "/dev/etcd/vg-data"), "");
	assert_string_equal(name_of(&v, "/dev/etcd-vg/dat"), "");
	assert_string_equal(name_of(&v, "/dev/etcd-vg/data/x"), "");
	assert_string_equal(name_of(&v, "UUID=u-3"), "sdb");
	assert_string_equal(name_of(&v, "LABEL="), "");
	assert_string_equal(name_of(&v, "LABEL"), "");
	assert_string_equal(name_of(&v, "/dev/"), "");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volumes_are_named_with_what_they_need),
		cmocka_unit_test(devices_have_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
