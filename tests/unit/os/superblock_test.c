#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "os/superblock.h"

enum { SIZE = 256 * 1024 };

static uint8_t disk[SIZE];

static const char uuid_text[] = "00112233-4455-6677-8899-aabbccddeeff";

static int read_disk(void *ctx, void *bytes, size_t len, uint64_t at, struct err *e)
{
	(void)ctx;
	if (at > SIZE || SIZE - at < len)
		return err_set(e, ERR_IO, "past the end");
	memcpy(bytes, disk + at, len);
	return 0;
}

static int refuse(void *ctx, void *bytes, size_t len, uint64_t at, struct err *e)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	return err_set(e, ERR_IO, "read at byte %ju: Input/output error", (uintmax_t)at);
}

static int blank(void **state)
{
	(void)state;
	memset(disk, 0, sizeof disk);
	return 0;
}

static void put(size_t at, const char *text)
{
	memcpy(disk + at, text, strlen(text));
}

static void put_uuid(size_t at)
{
	for (size_t i = 0; i < 16; i++)
		disk[at + i] = (uint8_t)(i << 4 | i);
}

static struct superblock probe_size(uint64_t size)
{
	const struct superblock_reader reader = { read_disk, NULL, size, false };
	struct superblock sb;
	struct err e = { 0 };

	assert_int_equal(superblock_probe(&sb, &reader, &e), 0);
	return sb;
}

static void probe_is(enum superblock_kind kind, const char *label, const char *uuid)
{
	const struct superblock sb = probe_size(SIZE);

	assert_int_equal(sb.kind, kind);
	assert_string_equal(sb.label, label);
	assert_string_equal(sb.uuid, uuid);
}

static void put_vfat32(void)
{
	put_le16(disk + 11, 512);
	disk[13] = 1;
	put_le16(disk + 14, 32);
	disk[16] = 2;
	put_le32(disk + 36, 8);
	put_le32(disk + 44, 2);
	put_le32(disk + 67, 0x1234abcd);
	put(71, "NO NAME    ");
	put(82, "FAT32   ");
	disk[510] = 0x55;
	disk[511] = 0xaa;
}

static void superblock_of_an_empty_disk_is_nothing(void **state)
{
	(void)state;
	probe_is(SUPERBLOCK_NONE, "", "");
	assert_null(superblock_word(SUPERBLOCK_NONE));
	assert_null(superblock_table_word(TABLE_NONE));
}

static void superblock_tells_ext_by_its_features(void **state)
{
	(void)state;
	put_le16(disk + 1024 + 56, 0xef53);
	put_uuid(1024 + 104);
	put(1024 + 120, "root");
	probe_is(SUPERBLOCK_EXT2, "root", uuid_text);
	put_le32(disk + 1024 + 92, 4);
	probe_is(SUPERBLOCK_EXT3, "root", uuid_text);
	put_le32(disk + 1024 + 96, 0x40);
	probe_is(SUPERBLOCK_EXT4, "root", uuid_text);
	put_le32(disk + 1024 + 96, 0x8);
	probe_is(SUPERBLOCK_JBD, "root", uuid_text);
}

static void superblock_tells_that_ext_has_errors(void **state)
{
	(void)state;
	put_le16(disk + 1024 + 56, 0xef53);
	/* Not cleanly unmounted, which its journal puts right. */
	put_le16(disk + 1024 + 58, 0);
	assert_false(probe_size(SIZE).errors);
	put_le16(disk + 1024 + 58, 1);
	assert_false(probe_size(SIZE).errors);
	put_le16(disk + 1024 + 58, 3);
	assert_true(probe_size(SIZE).errors);
}

static void superblock_tells_xfs_and_btrfs(void **state)
{
	(void)state;
	put(65536 + 64, "_BHRfS_M");
	put_uuid(65536 + 32);
	put(65536 + 299, "data");
	probe_is(SUPERBLOCK_BTRFS, "data", uuid_text);
	put(0, "XFSB");
	put_uuid(32);
	put(108, "exactlytwelve");
	probe_is(SUPERBLOCK_XFS, "exactlytwelv", uuid_text);
}

static void superblock_puts_layers_before_what_lies_below(void **state)
{
	(void)state;
	put(0, "XFSB");
	put(512, "LABELONE");
	put(512 + 24, "LVM2 001");
	put(512 + 32, "abcdefGHIJKLmnopQRSTuvwxYZ012345");
	probe_is(SUPERBLOCK_LVM2, "", "abcdef-GHIJ-KLmn-opQR-STuv-wxYZ-012345");
	put(0, "LUKS\xba\xbe");
	disk[7] = 1;
	put(168, uuid_text);
	put(24, "aes");
	probe_is(SUPERBLOCK_LUKS1, "", uuid_text);
	disk[7] = 2;
	put(24, "etcd");
	probe_is(SUPERBLOCK_LUKS2, "etcd", uuid_text);
}

static void superblock_finds_md_at_all_four_places(void **state)
{
	const size_t places[] = { 0, 4096, SIZE - 8192 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		blank(NULL);
		put_le32(disk + places[i], 0xa92b4efc);
		put_le32(disk + places[i] + 4, 1);
		put_uuid(places[i] + 16);
		put(places[i] + 32, "ncn:ROOT");
		probe_is(SUPERBLOCK_MD, "ncn:ROOT", uuid_text);
	}
	blank(NULL);
	put_le32(disk + SIZE - 65536, 0xa92b4efc);
	memcpy(disk + SIZE - 65536 + 20, "\x00\x11\x22\x33", 4);
	memcpy(disk + SIZE - 65536 + 52, "\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 12);
	probe_is(SUPERBLOCK_MD, "", uuid_text);
}

static void superblock_leaves_the_end_alone_when_told(void **state)
{
	const struct superblock_reader reader = { read_disk, NULL, SIZE, true };
	struct superblock sb;
	struct err e = { 0 };

	(void)state;
	put(SIZE - 1024, "Intel Raid ISM Cfg Sig. 1.3.00");
	probe_is(SUPERBLOCK_IMSM, "", "");
	assert_int_equal(superblock_probe(&sb, &reader, &e), 0);
	assert_int_equal(sb.kind, SUPERBLOCK_NONE);
}

static void superblock_reads_the_label_of_vfat_from_its_root_directory(void **state)
{
	const size_t root = (32 + 2 * 8) * 512;

	(void)state;
	put_vfat32();
	probe_is(SUPERBLOCK_VFAT, "", "1234-ABCD");
	/* A deleted entry, a part of a long name, then the label. */
	put(root, "\xe5OLD       \x08");
	put(root + 32, "Along      \x0f");
	put(root + 64, "RESCUE     \x08");
	probe_is(SUPERBLOCK_VFAT, "RESCUE", "1234-ABCD");
	assert_int_equal(probe_size(SIZE).table, TABLE_NONE);
}

static void superblock_survives_vfat_that_points_anywhere(void **state)
{
	(void)state;
	put_vfat32();
	put_le32(disk + 44, UINT32_MAX);
	put_le32(disk + 36, UINT32_MAX);
	disk[13] = 128;
	probe_is(SUPERBLOCK_VFAT, "", "1234-ABCD");
	put_le32(disk + 44, 0);
	probe_is(SUPERBLOCK_VFAT, "", "1234-ABCD");
}

static void superblock_reads_utf16_labels(void **state)
{
	const uint8_t label[] = "\x83\x04"
				"D\x00"
				"\xfc\x00"          /* u with two dots */
				"\x3d\xd8\x00\xde"; /* a pair: U+1F600 */

	(void)state;
	put(3, "EXFAT   ");
	put_le32(disk + 88, 64);
	put_le32(disk + 96, 2);
	put_le32(disk + 100, 0x0a0b0c0d);
	disk[108] = 9;
	disk[109] = 3;
	memcpy(disk + 64 * 512, label, sizeof label);
	probe_is(SUPERBLOCK_EXFAT, "D\xc3\xbc\xf0\x9f\x98\x80", "0A0B-0C0D");
	/* Half a pair is no character. */
	disk[64 * 512 + 1] = 3;
	probe_is(SUPERBLOCK_EXFAT, "D\xc3\xbc?", "0A0B-0C0D");
}

static void superblock_of_a_hybrid_iso_has_both(void **state)
{
	(void)state;
	disk[32768] = 1;
	put(32769, "CD001");
	put(32768 + 40, "CIDATA                          ");
	put(32768 + 813, "2026112111155700");
	put(32768 + 830, "0000000000000000");
	disk[446] = 0x80;
	disk[450] = 0x17;
	put_le32(disk + 458, 1000);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	probe_is(SUPERBLOCK_ISO9660, "CIDATA", "2026-11-21-11-15-57-00");
	assert_string_equal(superblock_table_word(probe_size(SIZE).table), "mbr");
	put(512, "EFI PART");
	assert_string_equal(superblock_table_word(probe_size(SIZE).table), "gpt");
}

static void superblock_tells_the_rest(void **state)
{
	static const struct {
		size_t at;
		const char *magic;
		enum superblock_kind kind;
	} rows[] = {
		{ 0, "hsqs", SUPERBLOCK_SQUASHFS },
		{ 4096 - 10, "SWAPSPACE2", SUPERBLOCK_SWAP },
		{ 65536 - 10, "SWAPSPACE2", SUPERBLOCK_SWAP },
		{ 34817, "NSR03", SUPERBLOCK_UDF },
		{ 1024, "\x10\x20\xf5\xf2", SUPERBLOCK_F2FS },
		{ 0, "bluestore block device\n", SUPERBLOCK_CEPH },
		{ 3, "NTFS    ", SUPERBLOCK_NTFS },
		{ 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
			SUPERBLOCK_BCACHE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		blank(NULL);
		put(rows[i].at, rows[i].magic);
		assert_int_equal(probe_size(SIZE).kind, rows[i].kind);
		assert_non_null(superblock_word(rows[i].kind));
	}
}

static void superblock_hides_what_a_terminal_would_obey(void **state)
{
	(void)state;
	put(0, "XFSB");
	put(108, "\x1b[2J\n\x7f");
	assert_string_equal(probe_size(SIZE).label, "?[2J??");
}

static void superblock_of_a_tiny_device_is_nothing(void **state)
{
	(void)state;
	memset(disk, 0xff, sizeof disk);
	put(0, "LUKS\xba\xbe");
	for (uint64_t size = 0; size < 208; size++)
		assert_int_equal(probe_size(size).kind, SUPERBLOCK_NONE);
}

static void superblock_says_when_the_disk_cannot_be_read(void **state)
{
	const struct superblock_reader reader = { refuse, NULL, SIZE, false };
	struct superblock sb;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(superblock_probe(&sb, &reader, &e), ERR_IO);
	assert_string_equal(e.text, "read at byte 0: Input/output error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(superblock_of_an_empty_disk_is_nothing, blank),
		cmocka_unit_test_setup(superblock_tells_ext_by_its_features, blank),
		cmocka_unit_test_setup(superblock_tells_that_ext_has_errors, blank),
		cmocka_unit_test_setup(superblock_tells_xfs_and_btrfs, blank),
		cmocka_unit_test_setup(superblock_puts_layers_before_what_lies_below, blank),
		cmocka_unit_test_setup(superblock_finds_md_at_all_four_places, blank),
		cmocka_unit_test_setup(superblock_leaves_the_end_alone_when_told, blank),
		cmocka_unit_test_setup(
			superblock_reads_the_label_of_vfat_from_its_root_directory, blank),
		cmocka_unit_test_setup(superblock_survives_vfat_that_points_anywhere, blank),
		cmocka_unit_test_setup(superblock_reads_utf16_labels, blank),
		cmocka_unit_test_setup(superblock_of_a_hybrid_iso_has_both, blank),
		cmocka_unit_test_setup(superblock_tells_the_rest, blank),
		cmocka_unit_test_setup(superblock_hides_what_a_terminal_would_obey, blank),
		cmocka_unit_test_setup(superblock_of_a_tiny_device_is_nothing, blank),
		cmocka_unit_test_setup(superblock_says_when_the_disk_cannot_be_read, blank),
	};
	return cmocka_run_group_tests_name("superblock", tests, NULL, NULL);
}
