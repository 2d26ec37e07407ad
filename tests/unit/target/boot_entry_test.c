#include "target/boot_entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_entry_goldens.h"
#include "os/file.h"
#include "target/boot_entry_parts.h"
#include "target/file.h"

#define GOLDEN "../tests/golden/boot/"

static struct arena arena = ARENA(64 << 20);
static struct root root = NO_ROOT;
static char dir[64];

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	strcpy(dir, "./boot_entry_test.XXXXXX");
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

static void put(const char *path, const void *bytes, size_t len)
{
	struct err e = { 0 };
	CLOSE_FD int fd = -1;
	char parent[256], name[512];

	snprintf(parent, sizeof parent, "%s", path);
	if (strrchr(parent, '/')) {
		*strrchr(parent, '/') = 0;
		if (target_make_directories(&root, parent, 0755, &e))
			fail_msg("%s", e.text);
	}
	snprintf(name, sizeof name, "%s/%s", dir, path);
	FILE *f = fopen(name, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

/* "kernel + initrd,initrd : options", with the file system each is on in front. */
static const char *shown(const struct boot_entry *entry, const struct boot_roots *roots)
{
#define WHERE(f) ((f).root == roots->boot ? "boot" : (f).root == roots->esp ? "esp" : "root")
	const char *text = arena_print(&arena, "%s:%s", WHERE(entry->kernel), entry->kernel.path);

	for (size_t i = 0; i < entry->n_initrds; i++)
		text = arena_print(&arena, "%s + %s:%s", text, WHERE(entry->initrds[i]),
			entry->initrds[i].path);
	return arena_print(&arena, "%s | %s", text, entry->options);
}

static void each_distribution_boots_what_its_own_loader_would(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
		const struct golden *g = &goldens[i];
		CLEAN_ROOT struct root own = NO_ROOT, boot = NO_ROOT, esp = NO_ROOT;
		struct boot_entry entry;
		struct err e = { 0 };

		if ((g->root &&
			    root_open(&own, arena_print(&arena, GOLDEN "%s/root", g->name), &e)) ||
			(!g->root && root_open(&own, dir, &e)) ||
			(g->boot && root_open(&boot, arena_print(&arena, GOLDEN "%s/boot", g->name),
					    &e)) ||
			(g->esp &&
				root_open(&esp, arena_print(&arena, GOLDEN "%s/esp", g->name), &e)))
			fail_msg("%s", e.text);
		const struct boot_roots roots = { &own, g->boot ? &boot : NULL,
			g->esp ? &esp : NULL, g->uefi };
		if (boot_entry_find(&entry, &arena, &roots, &e))
			fail_msg("%s: %s", g->name, e.text);
		assert_string_equal(entry.title, g->title);
		assert_string_equal(entry.origin, g->origin);
		assert_string_equal(shown(&entry, &roots), g->want);
	}
}

static int grub(struct boot_entry *entry, const char *config, struct err *e)
{
	const struct boot_roots roots = { .root = &root };

	put_text("boot/k1", "k");
	put_text("boot/k2", "k");
	put_text("boot/grub/grub.cfg", config);
	*e = (struct err){ 0 };
	return boot_entry_find(entry, &arena, &roots, e);
}

static void the_default_is_a_number_an_id_or_a_title_and_may_name_a_submenu(void **state)
{
	static const struct {
		const char *value, *options;
	} cases[] = {
		{ "0", "one" },
		{ "1", "two" },
		{ "1>0", "two" },
		{ "1>1", "three" },
		{ "2", "four" },
		{ "", "one" },
		{ "7", "one" },
		{ "no such", "one" },
		{ "id1", "one" },
		{ "id3", "three" },
		{ "menu>id3", "three" },
		{ "Sub menu>Three", "three" },
		{ "Four >> five", "four" },
		{ "1>", "two" },
		{ ">", "one" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct boot_entry entry;
		struct err e;
		if (grub(&entry,
			    arena_print(&arena,
				    "set default=\"%s\"\n"
				    "menuentry One --id id1 { linux /boot/k1 one\n}\n"
				    "submenu 'Sub menu' --id menu {\n"
				    "  menuentry Two { linux /boot/k1 two; }\n"
				    "  menuentry Three --id id3 { linux /boot/k1 three; }\n}\n"
				    "menuentry 'Four > five' { linux /boot/k2 four; }\n",
				    cases[i].value),
			    &e))
			fail_msg("%s: %s", cases[i].value, e.text);
		if (strcmp(entry.options, cases[i].options) != 0)
			fail_msg("default %s: %s", cases[i].value, entry.options);
	}
}

static void conditions_functions_and_quotes_are_those_of_grub(void **state)
{
	static const struct {
		const char *script, *options;
	} cases[] = {
		{ "x=1\nif [ \"$x\" = 1 ]; then y=yes; else y=no; fi", "yes" },
		{ "if [ a = b ]; then y=1; elif [ -n \"\" ]; then y=2; elif [ ! -z c ]; then y=3; "
		  "else y=4; fi",
			"3" },
		{ "if [ a = b -o 2 -gt 1 ]; then y=1; fi", "1" },
		{ "if [ a = a -a 2 -lt 1 ]; then y=1; else y=2; fi", "2" },
		{ "if [ -f /boot/k1 -a ! -f /boot/none ]; then y=there; fi", "there" },
		{ "if test -e (hd0,gpt1)/boot/k1; then y=there; fi", "there" },
		{ "function f {\n y=\"$1-$2\"\n}\nf a 'b c'", "\"a-b c\"" },
		{ "function f { if [ $1 = 1 ]; then y=1; fi; }; f 1", "1" },
		{ "y='$z' # comment", "$z" },
		{ "z=a\\ b; y=\"$z\"", "a b" },
		{ "z='a  b'\nset y=${z}c", "a" },
		{ "for_x=1; y=a\\\nb", "ab" },
		{ "if false; then for i in a b; do y=$i; done; fi; y=ok", "ok" },
		{ "if [ ]; then y=1; else y=2; fi", "2" },
		{ "search --no-floppy --fs-uuid --set=root 1234; y=$root", "found" },
		{ "source /boot/none.cfg; y=$?x", "1x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct boot_entry entry;
		struct err e;
		if (grub(&entry,
			    arena_print(&arena, "%s\nmenuentry x {\nlinux /boot/k1 \"$y\"\n}\n",
				    cases[i].script),
			    &e))
			fail_msg("%s: %s", cases[i].script, e.text);
		/* The line joins words; a value with a blank comes back in quotes. */
		if (strcmp(entry.options, cases[i].options) != 0 &&
			strcmp(entry.options, arena_print(&arena, "\"%s\"", cases[i].options)) != 0)
			fail_msg("%s: %s", cases[i].script, entry.options);
	}
}

static void what_is_not_understood_is_refused_with_file_and_line(void **state)
{
	static const struct {
		const char *script, *text;
	} cases[] = {
		{ "\nfrobnicate x\n",
			"boot/grub/grub.cfg:2: frobnicate is not understood: what the disk would "
			"boot is not clear" },
		{ "for i in a b; do echo $i; done",
			"boot/grub/grub.cfg:1: for is not understood: what the disk would boot is "
			"not clear" },
		{ "if [ -q x ]; then true; fi",
			"boot/grub/grub.cfg:1: this condition is not understood: what the disk "
			"would boot is not clear" },
		{ "if true; then\n\n", "boot/grub/grub.cfg:1: 'fi' is missing" },
		{ "menuentry x {\n", "boot/grub/grub.cfg:1: '{' has no '}'" },
		{ "echo 'x\ny", "boot/grub/grub.cfg:1: a quote has no end" },
		{ "echo a | b", "boot/grub/grub.cfg:1: '|' outside of quotes is not understood" },
		{ "}", "boot/grub/grub.cfg:1: '}' has no place here" },
		{ "", "/boot/grub/grub.cfg: has no entry to boot" },
		{ "menuentry Windows {\n chainloader /boot/k1\n}",
			"boot/grub/grub.cfg:2: chainloader starts something that is not a Linux "
			"kernel" },
		{ "menuentry x {\n true\n}",
			"boot/grub/grub.cfg:1: the entry \"x\" loads no Linux kernel" },
		{ "menuentry x {\n linux /boot/gone a\n}",
			"boot/grub/grub.cfg:2: the kernel /boot/gone is not on this disk" },
		{ "menuentry x {\n linux /boot/k1\n initrd /boot/k2 /boot/gone\n}",
			"boot/grub/grub.cfg:3: the initrd /boot/gone is not on this disk" },
		{ "function f { f; }\nf", "f: functions call each other too deep" },
		{ "source /boot/grub/grub.cfg", "/boot/grub/grub.cfg: files name each other" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct boot_entry entry;
		struct err e;
		if (!grub(&entry, cases[i].script, &e))
			fail_msg("%s: taken as %s", cases[i].script, entry.options);
		assert_string_equal(e.text, cases[i].text);
	}
}

static void a_disk_without_a_loader_is_not_found(void **state)
{
	const struct boot_roots roots = { .root = &root };
	struct boot_entry entry;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(boot_entry_find(&entry, &arena, &roots, &e), ERR_NOTFOUND);
}

static void links_do_not_lead_outside_of_the_disk(void **state)
{
	struct boot_entry entry;
	struct err e;
	char link[128];

	(void)state;
	snprintf(link, sizeof link, "%s/escape", dir);
	assert_int_equal(symlink("/proc/self/../..", link), 0);
	assert_int_equal(grub(&entry, "menuentry x {\nlinux /escape/bin/sh\n}", &e), ERR_NOTFOUND);
	assert_int_equal(grub(&entry, "menuentry x {\nlinux /../../../../../../../bin/sh\n}", &e),
		ERR_NOTFOUND);
}

static void versions_are_ordered_as_people_mean_them(void **state)
{
	static const char *const rising[] = { "", "1~rc1", "1", "1.0", "1.0a", "1.2", "1.10", "2-9",
		"2-10", "5.14.0-70.13.1.el9_0", "5.14.0-362.8.1.el9_3", "5.14.0-362.8.1.el9_10" };

	(void)state;
	for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
		for (size_t k = 0; k < sizeof rising / sizeof *rising; k++) {
			const int order = boot_version_compare(rising[i], rising[k]);
			if ((i < k) != (order < 0) || (i == k) != !order) {
				/* A tilde alone is older than nothing at all. */
				if (!(i < 2 && k < 2))
					fail_msg("%s, %s: %d", rising[i], rising[k], order);
			}
		}
	}
}

/* "MZ", a PE header at 64 and three sections, whose content begins at 512. */
static size_t make_uki(uint8_t *file, const char *line)
{
	static const char *const names[] = { ".linux", ".initrd", ".cmdline" };
	const char *const contents[] = { "KERNEL", "INITRD!", line };
	uint32_t at = 512;

	memset(file, 0, 4096);
	memcpy(file, "MZ", 2);
	put_le32(file + 60, 64);
	memcpy(file + 64, "PE\0\0", 4);
	put_le16(file + 64 + 6, 3);
	put_le16(file + 64 + 20, 16);
	for (size_t i = 0; i < 3; i++) {
		uint8_t *s = file + 64 + 24 + 16 + 40 * i;
		const uint32_t len = (uint32_t)strlen(contents[i]);
		memcpy(s, names[i], strlen(names[i]));
		put_le32(s + 8, len);
		put_le32(s + 16, 512);
		put_le32(s + 20, at);
		memcpy(file + at, contents[i], len);
		at += 512;
	}
	return at;
}

static void a_unified_kernel_is_taken_apart(void **state)
{
	uint8_t file[4096];
	const struct boot_roots roots = { .root = &root, .esp = &root };
	struct boot_entry entry;
	struct err e = { 0 };

	(void)state;
	const size_t len = make_uki(file, "root=UUID=1 quiet\n");
	put("EFI/Linux/linux-6.9.efi", "no", 2);
	put("EFI/Linux/linux-6.10.efi", file, len);
	if (boot_entry_find(&entry, &arena, &roots, &e))
		fail_msg("%s", e.text);
	assert_string_equal(entry.kernel.path, "EFI/Linux/linux-6.10.efi");
	assert_int_equal(entry.kernel.at, 512);
	assert_int_equal(entry.kernel.len, 6);
	assert_int_equal(entry.n_initrds, 1);
	assert_int_equal(entry.initrds[0].at, 1024);
	assert_int_equal(entry.initrds[0].len, 7);
	assert_string_equal(entry.options, "root=UUID=1 quiet");

	put("EFI/Linux/linux-6.11.efi", file, 1000);
	assert_int_equal(boot_entry_find(&entry, &arena, &roots, &e), ERR_FORMAT);
	assert_string_equal(e.text, "EFI/Linux/linux-6.11.efi: .initrd lies outside of the file");
}

static void a_directory_as_a_kernel_is_no_kernel(void **state)
{
	struct boot_entry entry;
	struct err e;

	(void)state;
	put_text("boot/dir/file", "");
	assert_int_equal(grub(&entry, "menuentry x {\nlinux /boot/dir\n}", &e), ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_distribution_boots_what_its_own_loader_would, begin, end),
		cmocka_unit_test_setup_teardown(
			the_default_is_a_number_an_id_or_a_title_and_may_name_a_submenu, begin,
			end),
		cmocka_unit_test_setup_teardown(
			conditions_functions_and_quotes_are_those_of_grub, begin, end),
		cmocka_unit_test_setup_teardown(
			what_is_not_understood_is_refused_with_file_and_line, begin, end),
		cmocka_unit_test_setup_teardown(a_disk_without_a_loader_is_not_found, begin, end),
		cmocka_unit_test_setup_teardown(links_do_not_lead_outside_of_the_disk, begin, end),
		cmocka_unit_test_setup_teardown(a_unified_kernel_is_taken_apart, begin, end),
		cmocka_unit_test_setup_teardown(a_directory_as_a_kernel_is_no_kernel, begin, end),
		cmocka_unit_test(versions_are_ordered_as_people_mean_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
