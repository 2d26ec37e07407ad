/* Any bytes as grub.cfg, as an entry, as extlinux.conf and as the head of an EFI program. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/boot_entry_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct root root = NO_ROOT;
static char dir[] = "/tmp/boot_entry_fuzz.XXXXXX";

static void sweep(void)
{
	unlinkat(root.fd, "grub/grub.cfg", 0);
	unlinkat(root.fd, "grub", AT_REMOVEDIR);
	rmdir(dir);
}

static int write_config(const uint8_t *data, size_t size)
{
	struct err e = { 0 };

	if (root.fd < 0) {
		if (!mkdtemp(dir) || root_open(&root, dir, &e) || mkdirat(root.fd, "grub", 0700))
			abort();
		atexit(sweep);
	}
	CLOSE_FD int fd = openat(root.fd, "grub/grub.cfg", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	return fd < 0 || file_write(fd, data, size, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct arena a = ARENA(1 << 30);
	struct boot_section sections[64];
	struct boot_extlinux label;
	struct boot_bls bls = { 0 };
	struct err e = { 0 };
	size_t n = 0;

	if (size > 16384 || write_config(data, size))
		return 0;
	const struct boot_roots roots = { .root = &root };
	struct boot_entry entry = { .options = "" };
	if (!boot_entry_find(&entry, &a, &roots, &e)) {
		if (!entry.kernel.path || strlen(entry.options) >= BOOT_LINE_MAX ||
			entry.n_initrds > BOOT_INITRDS_MAX)
			abort();
	} else if (!e.text[0]) {
		abort();
	}
	if (!boot_extlinux_parse(&label, &a, text, "x", &e) && !label.kernel)
		abort();
	boot_bls_parse(&bls, &a, text);
	if (bls.n_initrds > BOOT_INITRDS_MAX || !bls.options)
		abort();
	if (!boot_pe_sections(sections, &n, 64, (struct span){ data, size }, &e) && n > 64)
		abort();
	arena_free(&a);
	return 0;
}
