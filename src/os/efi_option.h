/* os/efi_option.h - a UEFI load option: what firmware shows in its boot menu, and what it starts
 *
 *   0   4  attributes: 1 active, 0x1f00 category        device path node
 *   4   2  length of the device path                      0  1  type
 *   6   .  description, UTF-16, ends in a zero            1  1  subtype
 *   .   .  device path                                    2  2  length with these four
 *   .   .  what is handed to the program
 *
 *   hard drive (4, 1), 42 bytes: 4 partition number, 8 start, 16 size in blocks, 24 signature,
 *   40 format (1 MBR, 2 GPT), 41 kind of signature (1: 4 bytes of MBR, 2: GUID)
 *   file (4, 4): UTF-16 path with backslashes    end (0x7f, 0xff)
 *
 * Source:     UEFI specification 2.10, sections 3.1.3, 10.3.5.1, 10.3.5.4.
 * Units:      blocks of the disk in a hard drive node.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT: lengths that do not fit.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum { EFI_ACTIVE = 1, EFI_CATEGORY = 0x1f00, EFI_PATH_MAX = 4096 };

struct efi_option {
	uint32_t attributes;
	const char *title;     /* UTF-8 */
	const char *partition; /* as PARTUUID spells it; NULL: it names none */
	const char *file;      /* "EFI/debian/shimx64.efi"; NULL: none */
};

/* Of a path of several instances the first counts. */
int efi_option_parse(struct efi_option *option, struct arena *a, struct span bytes, struct err *e);

struct efi_partition {
	uint32_t number;
	uint64_t start, blocks;
	const char *uuid; /* GPT's */
};

/* An active option for a file of a partition; `title` and `file` are ASCII. */
int efi_option_print(struct buf *out, const struct efi_partition *partition, const char *title,
	const char *file, struct err *e);
