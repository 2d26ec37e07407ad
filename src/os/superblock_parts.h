/* os/superblock_parts.h - what the probes of os/superblock.h share; for os/superblock*.c alone
 *
 * A probe looks at the head of a disk, fills label and UUID when it knows what it sees, and
 * says so; one that finds nothing may leave anything in them.
 *
 * Source:     as os/superblock.h.
 * Units:      bytes from the start of the disk.
 * Ownership:  pieces borrow the head.
 * Errors:     none: what the disk does not have is not there.
 */
#pragma once

#include <string.h>

#include "base/span.h"
#include "os/superblock.h"

struct probe {
	const struct superblock_reader *reader;
	struct superblock *sb;
	struct span head; /* the first 68 KB; less on a small device */
};

typedef enum superblock_kind superblock_look(struct probe *p);

superblock_look superblock_luks, superblock_lvm, superblock_md, superblock_imsm, superblock_bcache,
	superblock_ceph;
superblock_look superblock_xfs, superblock_squashfs, superblock_exfat, superblock_ntfs,
	superblock_vfat, superblock_ext, superblock_f2fs, superblock_swap, superblock_btrfs,
	superblock_iso, superblock_udf;

/* A piece of the head, or NULL when the device ends before. */
const uint8_t *superblock_piece(const struct probe *p, size_t at, size_t len);
bool superblock_magic(const struct probe *p, size_t at, struct span bytes);

/* Bytes outside the head; false when the device ends before or does not give them. */
bool superblock_fetch(const struct probe *p, void *bytes, size_t len, uint64_t at);

/* Text of a fixed field: up to the first zero byte, without blanks at its end; control
 * characters, which could play tricks on a terminal, become '?'. */
void superblock_label(struct probe *p, const uint8_t *field, size_t len);
void superblock_uuid_text(struct probe *p, const uint8_t *field, size_t len);

/* `n` little-endian UTF-16 units as UTF-8; halves of pairs alone become '?'. */
void superblock_label_utf16(struct probe *p, const uint8_t *field, size_t n);

/* 16 bytes as "00112233-4455-..."; 4 bytes as DOS spells a volume's serial, "ABCD-1234". */
void superblock_uuid(struct probe *p, const uint8_t *u);
void superblock_serial(struct probe *p, const uint8_t *serial);
