#include "os/efivar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/efi_option.h"
#include "os/file.h"
#include "os/kexec.h"

#define DIRECTORY "sys/firmware/efi/efivars"

static struct arena arena = ARENA(16 << 20);
static struct root root = NO_ROOT;
static char dir[64];

static int begin(void **state)
{
	struct err e = { 0 };
	char command[512];

	(void)state;
	strcpy(dir, "./efivar_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(command, sizeof command, "mkdir -p %s/" DIRECTORY, dir);
	return system(command) || root_open(&root, dir, &e);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&root);
	arena_free(&arena);
	arena = ARENA(16 << 20);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void write_variable(const char *name, const void *bytes, size_t len)
{
	struct err e = { 0 };

	if (efivar_write(&root, name, EFI_KEPT, (struct span){ bytes, len }, &e))
		fail_msg("%s", e.text);
}

static void a_variable_is_written_in_one_piece_and_read_back(void **state)
{
	CLEAN_BUF struct buf value = BUF(EFI_VARIABLE_MAX);
	CLEAN_BUF struct buf file = BUF(EFI_VARIABLE_MAX);
	uint32_t attributes = 0;
	uint16_t number = 0;
	struct err e = { 0 };

	(void)state;
	assert_false(efivar_here(&root));
	assert_int_equal(efivar_read_u16(&number, &root, "BootNext", &e), ERR_NOTFOUND);
	write_variable("BootNext", "longer\0", 8);
	assert_true(efivar_here(&root));
	assert_int_equal(efivar_read_u16(&number, &root, "BootNext", &e), ERR_FORMAT);
	write_variable("BootNext", "\x03\x01", 2);
	assert_int_equal(efivar_read_u16(&number, &root, "BootNext", &e), 0);
	assert_int_equal(number, 0x103);
	assert_int_equal(efivar_read(&attributes, &value, &root, "BootNext", &e), 0);
	assert_int_equal(attributes, EFI_KEPT);
	assert_int_equal(file_read(&file, &root, DIRECTORY "/BootNext-" EFI_GLOBAL, &e), 0);
	assert_int_equal(file.len, 6);
	assert_memory_equal(file.p, "\x07\0\0\0\x03\x01", 6);
}

static void what_is_there_already_is_not_written_again(void **state)
{
	struct stat before, after;
	char path[256];

	(void)state;
	snprintf(path, sizeof path, "%s/" DIRECTORY "/BootNext-" EFI_GLOBAL, dir);
	write_variable("BootNext", "\x03\x01", 2);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(stat(path, &before), 0);
	write_variable("BootNext", "\x03\x01", 2);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void entries_and_their_order_are_listed(void **state)
{
	struct efi_boots order, entries;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(efivar_boot_order(&order, &arena, &root, &e), 0);
	assert_int_equal(order.n, 0);
	write_variable("BootOrder", "\x02\0\x0a\0", 4);
	write_variable("Boot000A", "x", 1);
	write_variable("Boot0002", "x", 1);
	write_variable("BootXYZW", "x", 1);
	write_variable("Boot00020", "x", 1);
	assert_int_equal(efivar_boot_order(&order, &arena, &root, &e), 0);
	assert_int_equal(order.n, 2);
	assert_int_equal(order.v[0], 2);
	assert_int_equal(order.v[1], 10);
	assert_int_equal(efivar_boot_entries(&entries, &arena, &root, &e), 0);
	assert_int_equal(entries.n, 2);
	assert_int_equal(entries.v[0], 2);
	assert_int_equal(entries.v[1], 10);
	write_variable("BootOrder", "\x02\0\x0a", 3);
	assert_int_equal(efivar_boot_order(&order, &arena, &root, &e), ERR_FORMAT);
}

static void an_option_that_is_printed_parses_again(void **state)
{
	CLEAN_BUF struct buf b = BUF(EFI_VARIABLE_MAX);
	struct efi_option option;
	struct err e = { 0 };
	const struct efi_partition part = { 1, 2048, 1048576,
		"c12a7328-f81f-11d2-ba4b-00a0c93ec93b" };

	(void)state;
	assert_int_equal(efi_option_print(&b, &part, "debian", "EFI/debian/shimx64.efi", &e), 0);
	/* As efibootmgr writes it. */
	assert_memory_equal(
		b.p, "\x01\0\0\0\x62\0d\0e\0b\0i\0a\0n\0\0\0\x04\x01\x2a\0\x01\0\0\0", 28);
	assert_memory_equal(b.p + 20 + 24,
		"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b\x02\x02"
		"\x04\x04\x34\0\\\0E\0",
		26);
	assert_int_equal(efi_option_parse(&option, &arena, buf_span(&b), &e), 0);
	assert_int_equal(option.attributes, EFI_ACTIVE);
	assert_string_equal(option.title, "debian");
	assert_string_equal(option.partition, part.uuid);
	assert_string_equal(option.file, "EFI/debian/shimx64.efi");
	for (size_t len = 0; len < b.len; len++) {
		/* Cut anywhere it is refused, or its end alone is missing. */
		if (!efi_option_parse(&option, &arena, (struct span){ b.p, len }, &e))
			fail_msg("%zu of %zu bytes are taken", len, b.len);
	}
	assert_int_equal(
		efi_option_print(&b, &(struct efi_partition){ .uuid = "1234-01" }, "x", "x", &e),
		ERR_USAGE);
}

static void other_device_paths_are_read_as_far_as_they_say_something(void **state)
{
	struct efi_option option;
	struct err e = { 0 };

	(void)state;
	/* PXE: PCI, MAC, end; and what is handed to the program behind. */
	static const uint8_t pxe[] = "\x01\0\0\0\x10\0P\0\0\0\x01\x01\x06\0\0\x03\x03\x0b\x06\0\1\2"
				     "\x7f\xff\x04\0rest";
	assert_int_equal(
		efi_option_parse(&option, &arena, (struct span){ pxe, sizeof pxe - 1 }, &e), 0);
	assert_string_equal(option.title, "P");
	assert_null(option.partition);
	assert_null(option.file);
	/* MBR: the kernel's PARTUUID. */
	uint8_t mbr[64] = "\x01\0\0\0\x2e\0\0\0\x04\x01\x2a\0\x02\0\0\0";
	put_le32(mbr + 8 + 24, 0x1234abcd);
	mbr[8 + 40] = 1;
	mbr[8 + 41] = 1;
	memcpy(mbr + 8 + 42, "\x7f\xff\x04", 4);
	assert_int_equal(efi_option_parse(&option, &arena, (struct span){ mbr, 8 + 46 }, &e), 0);
	assert_string_equal(option.partition, "1234abcd-02");
	/* A node that says it is shorter than itself must not go on for ever. */
	mbr[10] = 3;
	assert_int_equal(
		efi_option_parse(&option, &arena, (struct span){ mbr, 8 + 46 }, &e), ERR_FORMAT);
}

static void initrds_stand_behind_each_other_at_multiples_of_four(void **state)
{
	CLEAN_BUF struct buf b = BUF(4096);
	CLOSE_FD int fd = -1;
	const struct kexec_part parts[] = { { &root, "a", 0, 0 }, { &root, "b", 2, 3 },
		{ &root, "a", 0, 4 } };
	struct err e = { 0 };
	char command[512];

	(void)state;
	snprintf(command, sizeof command, "printf hello >%s/a; printf 0123456789 >%s/b", dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(kexec_join(&fd, parts, 3, &e), 0);
	assert_int_equal(file_read_fd(&b, fd, &e), 0);
	assert_int_equal(b.len, 16);
	assert_memory_equal(b.p,
		"hello\0\0\0"
		"234\0"
		"hell",
		16);
	/* Whoever could still write to it would keep the kernel from reading it. */
	assert_int_equal(write(fd, "x", 1), -1);
	const struct kexec_part outside = { &root, "b", 8, 3 };
	int none = -1;
	assert_int_equal(kexec_join(&none, &outside, 1, &e), ERR_FORMAT);
	assert_int_equal(none, -1);
}

static void a_kernel_without_kexec_says_so(void **state)
{
	struct err e = { 0 };
	char command[512];

	(void)state;
	assert_int_equal(kexec_possible(&root, &e), ERR_UNSUPPORTED);
	snprintf(command, sizeof command,
		"mkdir -p %s/sys/kernel %s/proc/sys/kernel; echo 0 >%s/sys/kernel/kexec_loaded",
		dir, dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(kexec_possible(&root, &e), 0);
	assert_false(kexec_loaded(&root));
	snprintf(command, sizeof command,
		"echo 1 >%s/sys/kernel/kexec_loaded; echo 1 "
		">%s/proc/sys/kernel/kexec_load_disabled",
		dir, dir);
	assert_int_equal(system(command), 0);
	assert_true(kexec_loaded(&root));
	assert_int_equal(kexec_possible(&root, &e), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_variable_is_written_in_one_piece_and_read_back, begin, end),
		cmocka_unit_test_setup_teardown(
			what_is_there_already_is_not_written_again, begin, end),
		cmocka_unit_test_setup_teardown(entries_and_their_order_are_listed, begin, end),
		cmocka_unit_test_setup_teardown(an_option_that_is_printed_parses_again, begin, end),
		cmocka_unit_test_setup_teardown(
			other_device_paths_are_read_as_far_as_they_say_something, begin, end),
		cmocka_unit_test_setup_teardown(
			initrds_stand_behind_each_other_at_multiples_of_four, begin, end),
		cmocka_unit_test_setup_teardown(a_kernel_without_kexec_says_so, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
