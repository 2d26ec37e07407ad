/* File systems and swap. */
#include <stdio.h>

#include "os/superblock_parts.h"

enum { SECTOR = 512, DIRECTORY = 16 * 1024 };

enum superblock_kind superblock_xfs(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, 120);

	if (!h || memcmp(h, "XFSB", 4))
		return SUPERBLOCK_NONE;
	superblock_uuid(p, h + 32);
	superblock_label(p, h + 108, 12);
	return SUPERBLOCK_XFS;
}

enum superblock_kind superblock_squashfs(struct probe *p)
{
	return superblock_magic(p, 0, SPAN("hsqs")) ? SUPERBLOCK_SQUASHFS : SUPERBLOCK_NONE;
}

/* The label of exFAT is an entry of type 0x83 in the root directory. */
enum superblock_kind superblock_exfat(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, SECTOR);
	uint8_t entries[4096];

	if (!h || !superblock_magic(p, 3, SPAN("EXFAT   ")))
		return SUPERBLOCK_NONE;
	superblock_serial(p, h + 100);
	const unsigned sector_shift = h[108], cluster_shift = h[109];
	const uint64_t heap = le32(h + 88), cluster = le32(h + 96);
	if (sector_shift < 9 || sector_shift > 12 || cluster_shift > 25 - sector_shift ||
		cluster < 2)
		return SUPERBLOCK_EXFAT;
	const uint64_t at = (heap + ((cluster - 2) << cluster_shift)) << sector_shift;
	if (!superblock_fetch(p, entries, sizeof entries, at))
		return SUPERBLOCK_EXFAT;
	for (size_t i = 0; i < sizeof entries && entries[i]; i += 32) {
		if (entries[i] == 0x83 && entries[i + 1] <= 11) {
			superblock_label_utf16(p, entries + i + 2, entries[i + 1]);
			break;
		}
	}
	return SUPERBLOCK_EXFAT;
}

enum superblock_kind superblock_ntfs(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, SECTOR);

	if (!h || !superblock_magic(p, 3, SPAN("NTFS    ")))
		return SUPERBLOCK_NONE;
	snprintf(p->sb->uuid, sizeof p->sb->uuid, "%08X%08X", le32(h + 76), le32(h + 72));
	return SUPERBLOCK_NTFS;
}

/* Windows writes the label only into the root directory, mkfs.vfat into both. */
static void vfat_label(struct probe *p, const uint8_t *h, bool is_32)
{
	uint8_t entries[DIRECTORY];
	const uint64_t sector = le16(h + 11), reserved = le16(h + 14), n_fats = h[16];
	const uint64_t per_cluster = h[13];
	uint64_t at, len;

	if (is_32) {
		const uint64_t cluster = le32(h + 44);
		if (cluster < 2)
			return;
		at = reserved + n_fats * le32(h + 36) + (cluster - 2) * per_cluster;
		len = per_cluster * sector;
	} else {
		at = reserved + n_fats * le16(h + 22);
		len = (uint64_t)le16(h + 17) * 32;
	}
	len = len < sizeof entries ? len : sizeof entries;
	if (!superblock_fetch(p, entries, len, at * sector))
		return;
	for (size_t i = 0; i + 32 <= len && entries[i]; i += 32) {
		/* The attribute "volume label" alone; with others set it is part of a long name. */
		if (entries[i] != 0xe5 && (entries[i + 11] & 0x3f) == 0x08) {
			superblock_label(p, entries + i, 11);
			return;
		}
	}
}

enum superblock_kind superblock_vfat(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, SECTOR);

	if (!h || h[510] != 0x55 || h[511] != 0xaa)
		return SUPERBLOCK_NONE;
	const bool is_32 = !memcmp(h + 82, "FAT32   ", 8);
	const bool is_16 = !memcmp(h + 54, "FAT16   ", 8) || !memcmp(h + 54, "FAT12   ", 8) ||
			   !memcmp(h + 54, "FAT     ", 8);
	const unsigned sector = le16(h + 11), per_cluster = h[13];
	if ((!is_32 && !is_16) || sector < SECTOR || sector > 4096 || sector & (sector - 1) ||
		!per_cluster || per_cluster & (per_cluster - 1) || !h[16] || h[16] > 4)
		return SUPERBLOCK_NONE;
	superblock_serial(p, h + (is_32 ? 67 : 39));
	superblock_label(p, h + (is_32 ? 71 : 43), 11);
	if (!strcmp(p->sb->label, "NO NAME"))
		p->sb->label[0] = 0;
	vfat_label(p, h, is_32);
	return SUPERBLOCK_VFAT;
}

enum superblock_kind superblock_ext(struct probe *p)
{
	enum { JOURNAL = 0x4, JOURNAL_DEVICE = 0x8, INCOMPAT_EXT3 = 0x16, RO_COMPAT_EXT3 = 0x7 };
	enum { STATE_ERRORS = 0x2 };
	const uint8_t *h = superblock_piece(p, 1024, 264);

	if (!h || le16(h + 56) != 0xef53)
		return SUPERBLOCK_NONE;
	const uint32_t compat = le32(h + 92), incompat = le32(h + 96), ro_compat = le32(h + 100);
	superblock_uuid(p, h + 104);
	superblock_label(p, h + 120, 16);
	p->sb->errors = le16(h + 58) & STATE_ERRORS;
	if (incompat & JOURNAL_DEVICE)
		return SUPERBLOCK_JBD;
	/* Any feature ext3 does not know makes it ext4. */
	if (incompat & ~(uint32_t)INCOMPAT_EXT3 || ro_compat & ~(uint32_t)RO_COMPAT_EXT3)
		return SUPERBLOCK_EXT4;
	return compat & JOURNAL ? SUPERBLOCK_EXT3 : SUPERBLOCK_EXT2;
}

enum superblock_kind superblock_f2fs(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 1024, 124 + 1024);

	if (!h || le32(h) != 0xf2f52010)
		return SUPERBLOCK_NONE;
	superblock_uuid(p, h + 108);
	superblock_label_utf16(p, h + 124, 512);
	return SUPERBLOCK_F2FS;
}

enum superblock_kind superblock_swap(struct probe *p)
{
	static const size_t pages[] = { 4096, 8192, 16384, 65536 };
	const uint8_t *h = superblock_piece(p, 1024, 44);

	for (size_t i = 0; h && i < sizeof pages / sizeof *pages; i++) {
		if (!superblock_magic(p, pages[i] - 10, SPAN("SWAPSPACE2")))
			continue;
		superblock_uuid(p, h + 12);
		superblock_label(p, h + 28, 16);
		return SUPERBLOCK_SWAP;
	}
	return SUPERBLOCK_NONE;
}

enum superblock_kind superblock_btrfs(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 65536, 299 + 256);

	if (!h || memcmp(h + 64, "_BHRfS_M", 8))
		return SUPERBLOCK_NONE;
	superblock_uuid(p, h + 32);
	superblock_label(p, h + 299, 256);
	return SUPERBLOCK_BTRFS;
}

/* "2026112110463900" as "2026-11-21-10-46-39-00"; what is no digit stays out. */
static void set_iso_date(struct probe *p, const uint8_t *date)
{
	char *out = p->sb->uuid;

	for (size_t i = 0; i < 16; i++) {
		if (date[i] < '0' || date[i] > '9') {
			p->sb->uuid[0] = 0;
			return;
		}
		if (i >= 4 && i % 2 == 0)
			*out++ = '-';
		*out++ = (char)date[i];
	}
	*out = 0;
}

enum superblock_kind superblock_iso(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 32768, 2048);

	if (!h || h[0] != 1 || memcmp(h + 1, "CD001", 5))
		return SUPERBLOCK_NONE;
	superblock_label(p, h + 40, 32);
	/* Modified; when that was not set, created. */
	set_iso_date(p, h + 830);
	if (!p->sb->uuid[0] || !strcmp(p->sb->uuid, "0000-00-00-00-00-00-00"))
		set_iso_date(p, h + 813);
	return SUPERBLOCK_ISO9660;
}

enum superblock_kind superblock_udf(struct probe *p)
{
	for (size_t at = 32768; at < 32768 + 8 * 2048; at += 2048) {
		if (superblock_magic(p, at + 1, SPAN("NSR02")) ||
			superblock_magic(p, at + 1, SPAN("NSR03")))
			return SUPERBLOCK_UDF;
	}
	return SUPERBLOCK_NONE;
}
