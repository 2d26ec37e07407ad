/* A UEFI machine in a directory: its variables, its disk, and what stands on it. */
#pragma once

#include "plan/handoff.h"

/* Loaders are called after the processor. */
#ifdef __aarch64__
#define ARCH       "aa64"
#define ARCH_UPPER "AA64"
#else
#define ARCH       "x64"
#define ARCH_UPPER "X64"
#endif

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/efi_option.h"
#include "os/efivar.h"
#include "os/file.h"
#include "target/file.h"

#define NOW      1795000000
#define ESP_UUID "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define STATE    "var/lib/etcd-rescue"

static struct arena arena = ARENA(32 << 20);
static char dir[64];
static struct root machine = NO_ROOT, disk = NO_ROOT, esp = NO_ROOT;
static struct site site;
static struct handoff_place place;
static struct handoff_from from;
static struct handoff h;
static struct block whole;
static struct block_part part;
static struct err e;

static inline void put(const struct root *root, const char *path, const char *text)
{
	char parent[256];

	snprintf(parent, sizeof parent, "%s", path);
	*strrchr(parent, '/') = 0;
	if (target_make_directories(root, parent, 0755, &e))
		fail_msg("%s", e.text);
	CLOSE_FD int fd = -1, top = -1;
	if (root_open_at(&top, root, parent, O_RDONLY | O_DIRECTORY, &e))
		fail_msg("%s", e.text);
	fd = openat(top, strrchr(path, '/') + 1, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, text, strlen(text), &e), 0);
}

static inline int open_one(struct root *root, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return mkdir(path, 0755) || root_open(root, path, &e);
}

/* A UEFI machine, its disk with Debian's boot files and ESP. */
static inline int begin(void **state)
{
	(void)state;
	strcpy(dir, "./handoff_test.XXXXXX");
	if (!mkdtemp(dir) || open_one(&machine, "machine") || open_one(&disk, "disk") ||
		open_one(&esp, "esp"))
		return -1;
	site = (struct site){ .state = STATE, .writable = true, .n_roots = 1 };
	site.roots[0].root = &disk;
	site.target.running = disk;
	whole = (struct block){ .name = "sda", .sector = 512 };
	part = (struct block_part){
		.name = "sda1", .number = 1, .start = 1 << 20, .size = 64 << 20, .uuid = ESP_UUID
	};
	place = (struct handoff_place){ .site = &site,
		.esp_root = NO_ROOT,
		.esp_disk = &whole,
		.esp = &part,
		.roots = { &disk, NULL, &esp, true } };
	from = (struct handoff_from){
		.machine = &machine, .place = &place, .plan_id = "abc", .now = NOW
	};
	if (target_make_directories(&machine, "sys/firmware/efi/efivars", 0755, &e))
		return -1;
	put(&disk, "etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\n");
	put(&disk, "boot/vmlinuz", "kernel");
	put(&disk, "boot/grub/grub.cfg", "menuentry Debian {\nlinux /boot/vmlinuz ro quiet\n}\n");
	put(&machine, "sys/kernel/kexec_loaded", "0\n");
	put(&esp, "EFI/debian/shim" ARCH ".efi", "shim");
	put(&esp, "EFI/debian/grub" ARCH ".efi", "grub");
	put(&esp, "EFI/debian/mm" ARCH ".efi", "mok");
	put(&esp, "EFI/BOOT/BOOT" ARCH_UPPER ".EFI", "shim");
	return 0;
}

static inline int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&machine);
	root_close(&disk);
	root_close(&esp);
	arena_free(&arena);
	arena = ARENA(32 << 20);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static inline void entry(
	unsigned number, const char *uuid, const char *title, const char *file, bool active)
{
	CLEAN_BUF struct buf b = BUF(4096);
	const struct efi_partition p = { 1, 2048, 131072, uuid };

	if (efi_option_print(&b, &p, title, file, &e))
		fail_msg("%s", e.text);
	put_le32(b.p, active);
	if (efivar_write(
		    &machine, arena_print(&arena, "Boot%04X", number), EFI_KEPT, buf_span(&b), &e))
		fail_msg("%s", e.text);
}

static inline void order(const void *bytes, size_t n)
{
	assert_int_equal(
		efivar_write(&machine, "BootOrder", EFI_KEPT, (struct span){ bytes, 2 * n }, &e),
		0);
}

static inline const char *order_is(void)
{
	struct efi_boots o;
	const char *text = "";

	assert_int_equal(efivar_boot_order(&o, &arena, &machine, &e), 0);
	for (size_t i = 0; i < o.n; i++)
		text = arena_print(&arena, "%s%s%04X", text, i ? " " : "", o.v[i]);
	return text;
}

static inline int next(void)
{
	uint16_t number;
	struct err none;

	return efivar_read_u16(&number, &machine, "BootNext", &none) ? -1 : number;
}

static inline size_t n_entries(void)
{
	struct efi_boots all;

	assert_int_equal(efivar_boot_entries(&all, &arena, &machine, &e), 0);
	return all.n;
}

static inline const char *record(void)
{
	static char text[256];
	CLEAN_BUF struct buf b = BUF(255);

	if (file_read(&b, &disk, STATE "/handoff", &e))
		return "";
	snprintf(text, sizeof text, "%.*s", (int)b.len, (const char *)b.p);
	return text;
}

static inline void prepare(void)
{
	e = (struct err){ 0 };
	if (handoff_prepare(&h, &arena, &from, &e))
		fail_msg("%s", e.text);
}
