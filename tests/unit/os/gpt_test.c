#include "os/gpt.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/file.h"

static int fd;

/* Two blocks of the given size, and a table at block 2 whose second entry is taken. */
static void table(unsigned sector, uint32_t count, uint32_t size)
{
	uint8_t header[92] = "EFI PART", entry[128] = { 1 };
	struct err e;

	put_le64(header + 72, 2);
	put_le32(header + 80, count);
	put_le32(header + 84, size);
	for (uint8_t i = 0; i < 16; i++)
		entry[16 + i] = (uint8_t)(i * 17);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, 65536), 0);
	assert_int_equal(file_write_at(fd, header, sizeof header, sector, &e), 0);
	assert_int_equal(file_write_at(fd, entry, sizeof entry, 2 * sector + 1 * size, &e), 0);
}

static void a_partition_is_named_as_the_kernel_would(void **state)
{
	char uuid[GPT_UUID];
	struct err e;

	(void)state;
	for (unsigned sector = 512; sector <= 4096; sector *= 8) {
		table(sector, 128, 128);
		assert_int_equal(gpt_partition_uuid(uuid, fd, sector, 2, &e), 0);
		assert_string_equal(uuid, "33221100-5544-7766-8899-aabbccddeeff");
		assert_int_equal(gpt_partition_uuid(uuid, fd, sector, 1, &e), ERR_NOTFOUND);
		assert_int_equal(gpt_partition_uuid(uuid, fd, sector, 0, &e), ERR_NOTFOUND);
		assert_int_equal(gpt_partition_uuid(uuid, fd, sector, 129, &e), ERR_NOTFOUND);
	}
	table(512, 128, 256);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 512, 2, &e), 0);
}

static void what_is_no_table_is_refused(void **state)
{
	char uuid[GPT_UUID];
	struct err e;

	(void)state;
	table(512, UINT32_MAX, UINT32_MAX);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 512, 2, &e), ERR_FORMAT);
	table(512, 128, 4);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 512, 2, &e), ERR_FORMAT);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 4096, 2, &e), ERR_FORMAT);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 0, 2, &e), ERR_FORMAT);
	table(512, UINT32_MAX, 4096);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 512, 1000, &e), ERR_FORMAT);
	assert_int_equal(ftruncate(fd, 600), 0);
	assert_int_equal(gpt_partition_uuid(uuid, fd, 512, 2, &e), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_partition_is_named_as_the_kernel_would),
		cmocka_unit_test(what_is_no_table_is_refused),
	};
	fd = memfd_create("disk", 0);
	return fd < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
