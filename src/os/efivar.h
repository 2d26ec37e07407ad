/* os/efivar.h - UEFI variables, and what to boot next
 *
 *   sys/firmware/efi/efivars/NAME-GUID   four bytes of attributes, then the value
 *   BootOrder   uint16 ..    BootCurrent, BootNext   uint16    Boot0003   a load option
 *
 * A variable is written with one write; the kernel's immutable flag, which guards it against rm,
 * is taken off before.  What already has the value is not written: flash wears out.  Below a
 * directory that is no efivarfs the same works on plain files, for tests.
 *
 * Source:     UEFI specification 2.10, sections 3.1.2 to 3.3; efivarfs.rst of Linux 6.12.
 * Units:      none.
 * Ownership:  values go to the caller's buffer; lists live in the arena.
 * Errors:     ERR_NOTFOUND: no such variable, no UEFI; ERR_FORMAT: shorter than it must be;
 *             ERR_IO; ERR_SPACE when the firmware has no room; ERR_MISMATCH: written, and reads
 *             back otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "os/root.h"

#define EFI_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"

enum {
	EFI_VARIABLE_MAX = 65536,
	EFI_BOOT_MAX = 512, /* entries; real machines have ten */
	EFI_KEPT = 7,       /* attributes: non-volatile, boot services and run time access */
};

/* Was this machine started by UEFI, and can its variables be reached? */
bool efivar_here(const struct root *machine);

/* One of the global variables: "BootOrder". */
int efivar_read(uint32_t *attributes, struct buf *value, const struct root *machine,
	const char *name, struct err *e);

/* Written and read back. */
int efivar_write(const struct root *machine, const char *name, uint32_t attributes,
	struct span value, struct err *e);

/* BootCurrent, BootNext; ERR_NOTFOUND when it is not set. */
int efivar_read_u16(uint16_t *value, const struct root *machine, const char *name, struct err *e);

struct efi_boots {
	uint16_t *v;
	size_t n;
};

/* BootOrder, empty when there is none; and the numbers of all entries, in order. */
int efivar_boot_order(
	struct efi_boots *order, struct arena *a, const struct root *machine, struct err *e);
int efivar_boot_entries(
	struct efi_boots *entries, struct arena *a, const struct root *machine, struct err *e);
