/* target/boot_entry.h - which kernel, initrds and command line the disk would boot
 *
 *   grub.cfg      boot/grub, boot/grub2: read as GRUB would, entries of blscfg included
 *   loader/entries/NAME.conf  the Boot Loader Specification; systemd-boot's loader.conf
 *   extlinux.conf, syslinux.cfg
 *   EFI/Linux/NAME.efi  kernel, initrd and line in one file
 *
 * Of several the first that is there counts, in the order grub.cfg, entries, EFI/Linux,
 * extlinux.  Nothing of the target is run: a grub.cfg is a script, of which what grub-mkconfig
 * and the installers write is understood and the rest refused with file and line.
 *
 * Source:     GRUB 2.12 manual and its util/grub.d; Fedora's blscfg; the Boot Loader
 *             Specification of the UAPI group; syslinux 6.04; systemd-boot(7), systemd-stub(7).
 * Units:      bytes.
 * Ownership:  texts live in the arena; roots are borrowed.
 * Errors:     ERR_NOTFOUND no boot configuration, or a file that it names; ERR_UNSUPPORTED,
 *             ERR_FORMAT with file and line.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "os/root.h"

enum { BOOT_INITRDS_MAX = 16, BOOT_LINE_MAX = 2048 };

struct boot_roots {
	const struct root *root; /* top of the root's file system, or of the mounted tree */
	const struct root *boot; /* top of /boot's own; NULL: /boot is part of `root` */
	const struct root *esp;  /* NULL: none */
	bool uefi;               /* the machine has started so */
};

struct boot_file {
	const struct root *root;
	const char *path;
	uint64_t at, len; /* a piece of it; len 0: all */
};

struct boot_entry {
	const char *title;
	const char *origin; /* "boot/grub/grub.cfg" */
	unsigned line;      /* in it */
	struct boot_file kernel, initrds[BOOT_INITRDS_MAX];
	size_t n_initrds;
	const char *options; /* the kernel's command line */
};

int boot_entry_find(
	struct boot_entry *entry, struct arena *a, const struct boot_roots *roots, struct err *e);
