#include "handoff_machine.h"

static void the_distributions_own_entry_of_this_disk_is_next(void **state)
{
	(void)state;
	entry(1, "99999999-f81f-11d2-ba4b-00a0c93ec93b", "other disk",
		"EFI/debian/shim" ARCH ".efi", true);
	entry(2, ESP_UUID, "UEFI OS", "EFI/BOOT/BOOT" ARCH_UPPER ".EFI", true);
	entry(3, ESP_UUID, "gone", "EFI/fedora/shim" ARCH ".efi", true);
	entry(4, ESP_UUID, "mok", "EFI/debian/mm" ARCH ".efi", true);
	entry(0xa, ESP_UUID, "debian", "EFI/debian/shim" ARCH ".efi", true);
	order("\x02\0\x01\0\x0a\0", 3);
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
	assert_int_equal(next(), 0xa);
	assert_string_equal(order_is(), "0002 0001 000A");
	assert_int_equal(n_entries(), 5);
	assert_string_equal(h.text,
		"firmware starts EFI/debian/shim" ARCH ".efi of sda1 next: Boot000A "
		"\"debian\"");
	assert_string_equal(record(), "plan abc\nrung firmware\ntries 1\nat 1795000000\n");
}

static void an_inactive_entry_outside_of_the_order_is_made_good(void **state)
{
	CLEAN_BUF struct buf b = BUF(4096);
	uint32_t attributes;

	(void)state;
	entry(7, ESP_UUID, "debian", "EFI/DEBIAN/SHIM" ARCH_UPPER ".EFI", false);
	entry(1, ESP_UUID, "UEFI OS", "EFI/BOOT/BOOT" ARCH_UPPER ".EFI", true);
	order("\x01\0", 1);
	prepare();
	assert_int_equal(next(), 7);
	assert_string_equal(order_is(), "0001 0007");
	assert_int_equal(efivar_read(&attributes, &b, &machine, "Boot0007", &e), 0);
	assert_int_equal(b.p[0], EFI_ACTIVE);
	assert_int_equal(n_entries(), 2);
}

static void an_entry_is_made_once_and_never_again(void **state)
{
	(void)state;
	entry(0, ESP_UUID, "UEFI OS", "EFI/BOOT/BOOT" ARCH_UPPER ".EFI", true);
	order("\0\0", 1);
	prepare();
	assert_int_equal(next(), 1);
	assert_string_equal(order_is(), "0000 0001");
	assert_int_equal(n_entries(), 2);
	assert_non_null(strstr(h.text, "a new entry"));
	for (int i = 0; i < 5; i++) {
		unlinkat(disk.fd, STATE "/handoff", 0);
		prepare();
		assert_int_equal(next(), 1);
		assert_int_equal(n_entries(), 2);
		assert_string_equal(order_is(), "0000 0001");
	}
}

static void without_a_distributions_loader_the_removable_one_does(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s/esp/EFI/debian", dir);
	assert_int_equal(system(command), 0);
	prepare();
	assert_int_equal(next(), 0);
	assert_non_null(strstr(h.text, "EFI/BOOT/BOOT" ARCH_UPPER ".EFI"));
	assert_int_equal(n_entries(), 1);
}

static void a_dry_run_writes_nothing(void **state)
{
	(void)state;
	from.dry_run = true;
	site.writable = false;
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
	assert_int_equal(h.round, 1);
	assert_int_equal(n_entries(), 0);
	assert_int_equal(next(), -1);
	assert_string_equal(record(), "");
}

static void each_round_goes_one_down_and_the_fourth_halts(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
	/* The image is back; kexec of these bytes is refused by any kernel, so nothing is left. */
	from.now += 120;
	from.dry_run = true;
	prepare();
	assert_int_equal(h.rung, HANDOFF_KEXEC);
	assert_int_equal(h.round, 2);
	assert_string_equal(h.text,
		"starts boot/vmlinuz by kexec: \"Debian\" of boot/grub/grub.cfg, "
		"with \"ro quiet\"");
	put(&disk, STATE "/handoff", "plan abc\nrung kexec\ntries 2\nat 1795000120\n");
	prepare();
	assert_int_equal(h.rung, HANDOFF_HALT);
	assert_int_equal(h.round, 0);
	put(&disk, STATE "/handoff", "plan abc\nrung firmware\ntries 3\nat 1795000120\n");
	from.now += 7200;
	prepare();
	assert_int_equal(h.rung, HANDOFF_HALT);
	assert_string_equal(h.round_why, "three rounds led back to this image");
	const char *banner = handoff_banner(&arena, &h);
	assert_non_null(strstr(banner, "HAS NOT STARTED"));
	assert_non_null(strstr(banner, "firmware  led back to this image"));
	/* Another plan begins anew, and a person's word always counts. */
	from.plan_id = "def";
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
	assert_int_equal(h.round, 1);
	from.plan_id = "abc";
	from.only = HANDOFF_FIRMWARE;
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
}

static void a_disk_that_ran_since_proves_the_last_rung(void **state)
{
	const struct timespec ran[2] = { { NOW + 100, 0 }, { NOW + 100, 0 } };

	(void)state;
	put(&disk, STATE "/handoff", "plan abc\nrung firmware\ntries 3\nat 1795000000\n");
	put(&disk, "var/lib/systemd/random-seed", "x");
	assert_int_equal(utimensat(disk.fd, "var/lib/systemd/random-seed", ran, 0), 0);
	from.now = NOW + 200;
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
	assert_string_equal(record(), "plan abc\nrung firmware\ntries 1\nat 1795000200\n");
	/* A file from the future is a clock that is wrong, and no proof. */
	put(&disk, STATE "/handoff", "plan abc\nrung firmware\ntries 3\nat 1795000000\n");
	from.now = NOW + 50;
	prepare();
	assert_int_equal(h.rung, HANDOFF_HALT);
}

static void what_cannot_be_counted_is_not_restarted(void **state)
{
	(void)state;
	/* A file where the directory of the state would be. */
	put(&disk, "var/lib", "x");
	prepare();
	assert_int_equal(h.rung, HANDOFF_HALT);
	assert_int_equal(next(), -1);
	assert_non_null(strstr(h.steps.v[0].why, "nothing is restarted"));
}

static void rubbish_in_the_record_is_no_record(void **state)
{
	(void)state;
	put(&disk, STATE "/handoff", "plan abc\nrung sideways\ntries x\nat -4\n\xff\n");
	prepare();
	assert_int_equal(h.rung, HANDOFF_FIRMWARE);
	assert_int_equal(h.round, 1);
}

static void the_one_that_is_asked_for_and_cannot_be_is_an_error(void **state)
{
	(void)state;
	place.roots.uefi = false;
	from.only = HANDOFF_FIRMWARE;
	assert_int_equal(handoff_prepare(&h, &arena, &from, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.text, "firmware: this machine was not started by UEFI");
}

static void without_a_disk_there_is_poweroff_and_stay(void **state)
{
	(void)state;
	from.place = NULL;
	from.choice = PLAN_HANDOFF_POWEROFF;
	prepare();
	assert_int_equal(h.rung, HANDOFF_POWEROFF);
	from.choice = PLAN_HANDOFF_STAY;
	prepare();
	assert_int_equal(h.rung, HANDOFF_STAY);
	assert_int_equal(handoff_act(&h, &e), 0);
}

static void the_flag_needs_a_network_boot_and_an_address(void **state)
{
	const char *text;

	(void)state;
	from.dry_run = true;
	assert_int_equal(handoff_flag(&text, &arena, &from, &e), ERR_UNSUPPORTED);
	from.report = "https://boot.local/rescue/";
	assert_int_equal(handoff_flag(&text, &arena, &from, &e), ERR_UNSUPPORTED);
	put(&machine, "proc/cmdline", "quiet BOOTIF=01-52-54-00-AB-cd-56 x\n");
	assert_int_equal(handoff_flag(&text, &arena, &from, &e), 0);
	assert_string_equal(
		text, "the boot server is told that 52-54-00-ab-cd-56 is done; it starts the disk");
	from.report = "https://boot.local/?x=1";
	assert_int_equal(handoff_flag(&text, &arena, &from, &e), ERR_UNSUPPORTED);
	put(&machine, "proc/cmdline", "quiet BOOTIF=01-52-54-00-../../etc x\n");
	from.report = "https://boot.local";
	assert_int_equal(handoff_flag(&text, &arena, &from, &e), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_distributions_own_entry_of_this_disk_is_next, begin, end),
		cmocka_unit_test_setup_teardown(
			an_inactive_entry_outside_of_the_order_is_made_good, begin, end),
		cmocka_unit_test_setup_teardown(an_entry_is_made_once_and_never_again, begin, end),
		cmocka_unit_test_setup_teardown(
			without_a_distributions_loader_the_removable_one_does, begin, end),
		cmocka_unit_test_setup_teardown(a_dry_run_writes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			each_round_goes_one_down_and_the_fourth_halts, begin, end),
		cmocka_unit_test_setup_teardown(
			a_disk_that_ran_since_proves_the_last_rung, begin, end),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_counted_is_not_restarted, begin, end),
		cmocka_unit_test_setup_teardown(rubbish_in_the_record_is_no_record, begin, end),
		cmocka_unit_test_setup_teardown(
			the_one_that_is_asked_for_and_cannot_be_is_an_error, begin, end),
		cmocka_unit_test_setup_teardown(
			without_a_disk_there_is_poweroff_and_stay, begin, end),
		cmocka_unit_test_setup_teardown(
			the_flag_needs_a_network_boot_and_an_address, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
