#include "os/superblock.h"

#include <stdio.h>
#include <string.h>

#include "base/span.h"
#include "os/file.h"

/* All magics but those at the end of the device lie in here; btrfs' is the last. */
enum { HEAD = 68 * 1024, SECTOR = 512, DIRECTORY = 16 * 1024 };

struct probe {
	const struct superblock_reader *reader;
	struct superblock *sb;
	struct span head; /* shorter than HEAD on a small device */
};

static bool has(const struct probe *p, size_t at, size_t len)
{
	return at <= p->head.len && len <= p->head.len - at;
}

/* A piece of the head, or NULL when the device ends before. */
static const uint8_t *piece(const struct probe *p, size_t at, size_t len)
{
	return has(p, at, len) ? p->head.p + at : NULL;
}

static bool magic(const struct probe *p, size_t at, struct span bytes)
{
	return has(p, at, bytes.len) && !memcmp(p->head.p + at, bytes.p, bytes.len);
}

/* Text of a fixed field: up to the first zero byte, without blanks at its end; control
 * characters, which could play tricks on a terminal, become '?'. */
static void set_text(char *out, size_t size, const uint8_t *field, size_t len)
{
	size_t n = 0;

	while (n < len && n < size - 1 && field[n]) {
		out[n] = (char)(field[n] < 0x20 || field[n] == 0x7f ? '?' : field[n]);
		n++;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}

static void set_label(struct probe *p, const uint8_t *field, size_t len)
{
	set_text(p->sb->label, sizeof p->sb->label, field, len);
}

static void set_uuid_text(struct probe *p, const uint8_t *field, size_t len)
{
	set_text(p->sb->uuid, sizeof p->sb->uuid, field, len);
}

static void set_uuid(struct probe *p, const uint8_t *u)
{
	char *out = p->sb->uuid;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += snprintf(out, 3, "%02x", u[i]);
	}
}

/* The serial number DOS gave a volume: "ABCD-1234". */
static void set_serial(struct probe *p, const uint8_t *serial)
{
	snprintf(p->sb->uuid, sizeof p->sb->uuid, "%02X%02X-%02X%02X", serial[3], serial[2],
		serial[1], serial[0]);
}

/* `n` little-endian UTF-16 units as UTF-8; halves of pairs alone become '?'. */
static void set_label_utf16(struct probe *p, const uint8_t *field, size_t n)
{
	char *out = p->sb->label, *const end = out + sizeof p->sb->label - 5;

	for (size_t i = 0; i < n && out < end; i++) {
		uint32_t c = le16(field + 2 * i);
		if (!c)
			break;
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < n) {
			const uint32_t low = le16(field + 2 * i + 2);
			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i++;
			}
		}
		if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c < 0xe000))
			c = '?';
		if (c < 0x80) {
			*out++ = (char)c;
		} else if (c < 0x800) {
			*out++ = (char)(0xc0 | c >> 6);
			*out++ = (char)(0x80 | (c & 0x3f));
		} else if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
			*out++ = (char)(0x80 | (c >> 6 & 0x3f));
			*out++ = (char)(0x80 | (c & 0x3f));
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 0x3f));
			*out++ = (char)(0x80 | (c >> 6 & 0x3f));
			*out++ = (char)(0x80 | (c & 0x3f));
		}
	}
	*out = 0;
}

/* Bytes outside the head; false when the device ends before or does not give them. */
static bool fetch(const struct probe *p, void *bytes, size_t len, uint64_t at)
{
	struct err ignored;

	if (at > p->reader->size || p->reader->size - at < len)
		return false;
	return !p->reader->read(p->reader->ctx, bytes, len, at, &ignored);
}

static enum superblock_kind probe_luks(struct probe *p)
{
	const uint8_t *h = piece(p, 0, 208);

	if (!h || !magic(p, 0, SPAN("LUKS\xba\xbe")))
		return SUPERBLOCK_NONE;
	const uint16_t version = be16(h + 6);
	if (version != 1 && version != 2)
		return SUPERBLOCK_NONE;
	set_uuid_text(p, h + 168, 40);
	if (version == 2)
		set_label(p, h + 24, 48);
	return version == 1 ? SUPERBLOCK_LUKS1 : SUPERBLOCK_LUKS2;
}

static enum superblock_kind probe_lvm(struct probe *p)
{
	for (size_t at = 0; at < 4 * SECTOR; at += SECTOR) {
		const uint8_t *h = piece(p, at, 64);
		if (!h || memcmp(h, "LABELONE", 8) || memcmp(h + 24, "LVM2 001", 8))
			continue;
		/* 32 letters, which LVM prints in groups of 6-4-4-4-4-4-6. */
		char *out = p->sb->uuid;
		for (size_t i = 0; i < 32; i++) {
			if (i >= 6 && i <= 26 && (i - 6) % 4 == 0)
				*out++ = '-';
			const uint8_t c = h[32 + i];
			*out++ = (char)(c < 0x21 || c > 0x7e ? '?' : c);
		}
		*out = 0;
		return SUPERBLOCK_LVM2;
	}
	return SUPERBLOCK_NONE;
}

enum { MD_MAGIC = (int)0xa92b4efc };

/* Version 1: at the start (1.1), at 4 KB (1.2), or 8 KB before the end (1.0). */
static bool md_v1(struct probe *p, const uint8_t *h)
{
	if (le32(h) != (uint32_t)MD_MAGIC || le32(h + 4) != 1)
		return false;
	set_uuid(p, h + 16);
	set_label(p, h + 32, 32);
	return true;
}

/* Version 0.90 is in the byte order of the machine that wrote it; both are taken.  The four
 * words of its UUID lie apart. */
static bool md_v0(struct probe *p, const uint8_t *h)
{
	const bool little = le32(h) == (uint32_t)MD_MAGIC;
	uint8_t uuid[16];

	if (!little && be32(h) != (uint32_t)MD_MAGIC)
		return false;
	if ((little ? le32(h + 4) : be32(h + 4)) != 0)
		return false;
	memcpy(uuid, h + 20, 4);
	memcpy(uuid + 4, h + 52, 12);
	set_uuid(p, uuid);
	return true;
}

static enum superblock_kind probe_md(struct probe *p)
{
	uint8_t tail[64];
	const uint8_t *h;
	const uint64_t size = p->reader->size;

	if ((h = piece(p, 0, 64)) && md_v1(p, h))
		return SUPERBLOCK_MD;
	if ((h = piece(p, 4096, 64)) && md_v1(p, h))
		return SUPERBLOCK_MD;
	if (p->reader->no_tail || size < 128 * 1024)
		return SUPERBLOCK_NONE;
	if (fetch(p, tail, sizeof tail, ((size - 8 * 1024) & ~(uint64_t)4095)) && md_v1(p, tail))
		return SUPERBLOCK_MD;
	if (fetch(p, tail, sizeof tail, (size & ~(uint64_t)65535) - 65536) && md_v0(p, tail))
		return SUPERBLOCK_MD;
	return SUPERBLOCK_NONE;
}

static enum superblock_kind probe_imsm(struct probe *p)
{
	uint8_t tail[24];

	if (p->reader->no_tail || p->reader->size < 128 * 1024)
		return SUPERBLOCK_NONE;
	if (!fetch(p, tail, sizeof tail, p->reader->size - 1024))
		return SUPERBLOCK_NONE;
	return memcmp(tail, "Intel Raid ISM Cfg Sig. ", 24) ? SUPERBLOCK_NONE : SUPERBLOCK_IMSM;
}

static enum superblock_kind probe_bcache(struct probe *p)
{
	const uint8_t *h = piece(p, 4096, 128);

	if (!h || memcmp(h + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
			  16))
		return SUPERBLOCK_NONE;
	set_uuid(p, h + 40);
	set_label(p, h + 72, 32);
	return SUPERBLOCK_BCACHE;
}

static enum superblock_kind probe_ceph(struct probe *p)
{
	const uint8_t *h = piece(p, 0, 60);

	if (!h || !magic(p, 0, SPAN("bluestore block device\n")))
		return SUPERBLOCK_NONE;
	set_uuid_text(p, h + 23, 36);
	return SUPERBLOCK_CEPH;
}

static enum superblock_kind probe_xfs(struct probe *p)
{
	const uint8_t *h = piece(p, 0, 120);

	if (!h || memcmp(h, "XFSB", 4))
		return SUPERBLOCK_NONE;
	set_uuid(p, h + 32);
	set_label(p, h + 108, 12);
	return SUPERBLOCK_XFS;
}

static enum superblock_kind probe_squashfs(struct probe *p)
{
	return magic(p, 0, SPAN("hsqs")) ? SUPERBLOCK_SQUASHFS : SUPERBLOCK_NONE;
}

/* The label of exFAT is an entry of type 0x83 in the root directory. */
static enum superblock_kind probe_exfat(struct probe *p)
{
	const uint8_t *h = piece(p, 0, SECTOR);
	uint8_t entries[4096];

	if (!h || !magic(p, 3, SPAN("EXFAT   ")))
		return SUPERBLOCK_NONE;
	set_serial(p, h + 100);
	const unsigned sector_shift = h[108], cluster_shift = h[109];
	const uint64_t heap = le32(h + 88), cluster = le32(h + 96);
	if (sector_shift < 9 || sector_shift > 12 || cluster_shift > 25 - sector_shift ||
		cluster < 2)
		return SUPERBLOCK_EXFAT;
	const uint64_t at = (heap + ((cluster - 2) << cluster_shift)) << sector_shift;
	if (!fetch(p, entries, sizeof entries, at))
		return SUPERBLOCK_EXFAT;
	for (size_t i = 0; i < sizeof entries && entries[i]; i += 32) {
		if (entries[i] == 0x83 && entries[i + 1] <= 11) {
			set_label_utf16(p, entries + i + 2, entries[i + 1]);
			break;
		}
	}
	return SUPERBLOCK_EXFAT;
}

static enum superblock_kind probe_ntfs(struct probe *p)
{
	const uint8_t *h = piece(p, 0, SECTOR);

	if (!h || !magic(p, 3, SPAN("NTFS    ")))
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
	if (!fetch(p, entries, len, at * sector))
		return;
	for (size_t i = 0; i + 32 <= len && entries[i]; i += 32) {
		/* The attribute "volume label" alone; with others set it is part of a long name. */
		if (entries[i] != 0xe5 && (entries[i + 11] & 0x3f) == 0x08) {
			set_label(p, entries + i, 11);
			return;
		}
	}
}

static enum superblock_kind probe_vfat(struct probe *p)
{
	const uint8_t *h = piece(p, 0, SECTOR);

	if (!h || h[510] != 0x55 || h[511] != 0xaa)
		return SUPERBLOCK_NONE;
	const bool is_32 = !memcmp(h + 82, "FAT32   ", 8);
	const bool is_16 = !memcmp(h + 54, "FAT16   ", 8) || !memcmp(h + 54, "FAT12   ", 8) ||
			   !memcmp(h + 54, "FAT     ", 8);
	const unsigned sector = le16(h + 11), per_cluster = h[13];
	if ((!is_32 && !is_16) || sector < SECTOR || sector > 4096 || sector & (sector - 1) ||
		!per_cluster || per_cluster & (per_cluster - 1) || !h[16] || h[16] > 4)
		return SUPERBLOCK_NONE;
	set_serial(p, h + (is_32 ? 67 : 39));
	set_label(p, h + (is_32 ? 71 : 43), 11);
	if (!strcmp(p->sb->label, "NO NAME"))
		p->sb->label[0] = 0;
	vfat_label(p, h, is_32);
	return SUPERBLOCK_VFAT;
}

static enum superblock_kind probe_ext(struct probe *p)
{
	enum { JOURNAL = 0x4, JOURNAL_DEVICE = 0x8, INCOMPAT_EXT3 = 0x16, RO_COMPAT_EXT3 = 0x7 };
	const uint8_t *h = piece(p, 1024, 264);

	if (!h || le16(h + 56) != 0xef53)
		return SUPERBLOCK_NONE;
	const uint32_t compat = le32(h + 92), incompat = le32(h + 96), ro_compat = le32(h + 100);
	set_uuid(p, h + 104);
	set_label(p, h + 120, 16);
	if (incompat & JOURNAL_DEVICE)
		return SUPERBLOCK_JBD;
	/* Any feature ext3 does not know makes it ext4. */
	if (incompat & ~(uint32_t)INCOMPAT_EXT3 || ro_compat & ~(uint32_t)RO_COMPAT_EXT3)
		return SUPERBLOCK_EXT4;
	return compat & JOURNAL ? SUPERBLOCK_EXT3 : SUPERBLOCK_EXT2;
}

static enum superblock_kind probe_f2fs(struct probe *p)
{
	const uint8_t *h = piece(p, 1024, 124 + 1024);

	if (!h || le32(h) != 0xf2f52010)
		return SUPERBLOCK_NONE;
	set_uuid(p, h + 108);
	set_label_utf16(p, h + 124, 512);
	return SUPERBLOCK_F2FS;
}

static enum superblock_kind probe_swap(struct probe *p)
{
	static const size_t pages[] = { 4096, 8192, 16384, 65536 };
	const uint8_t *h = piece(p, 1024, 44);

	for (size_t i = 0; h && i < sizeof pages / sizeof *pages; i++) {
		if (!magic(p, pages[i] - 10, SPAN("SWAPSPACE2")))
			continue;
		set_uuid(p, h + 12);
		set_label(p, h + 28, 16);
		return SUPERBLOCK_SWAP;
	}
	return SUPERBLOCK_NONE;
}

static enum superblock_kind probe_btrfs(struct probe *p)
{
	const uint8_t *h = piece(p, 65536, 299 + 256);

	if (!h || memcmp(h + 64, "_BHRfS_M", 8))
		return SUPERBLOCK_NONE;
	set_uuid(p, h + 32);
	set_label(p, h + 299, 256);
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

static enum superblock_kind probe_iso(struct probe *p)
{
	const uint8_t *h = piece(p, 32768, 2048);

	if (!h || h[0] != 1 || memcmp(h + 1, "CD001", 5))
		return SUPERBLOCK_NONE;
	set_label(p, h + 40, 32);
	/* Modified; when that was not set, created. */
	set_iso_date(p, h + 830);
	if (!p->sb->uuid[0] || !strcmp(p->sb->uuid, "0000-00-00-00-00-00-00"))
		set_iso_date(p, h + 813);
	return SUPERBLOCK_ISO9660;
}

static enum superblock_kind probe_udf(struct probe *p)
{
	for (size_t at = 32768; at < 32768 + 8 * 2048; at += 2048) {
		if (magic(p, at + 1, SPAN("NSR02")) || magic(p, at + 1, SPAN("NSR03")))
			return SUPERBLOCK_UDF;
	}
	return SUPERBLOCK_NONE;
}

/* Layers first: below them the bytes of an older file system may have survived. */
static enum superblock_kind (*const probes[])(struct probe *p) = {
	probe_luks,
	probe_lvm,
	probe_md,
	probe_imsm,
	probe_bcache,
	probe_ceph,
	probe_xfs,
	probe_squashfs,
	probe_exfat,
	probe_ntfs,
	probe_vfat,
	probe_ext,
	probe_f2fs,
	probe_swap,
	probe_btrfs,
	probe_iso,
	probe_udf,
};

static enum superblock_table find_table(const struct probe *p)
{
	const uint8_t *h = piece(p, 0, SECTOR);
	size_t used = 0;

	/* One is enough: a boot sector without GPT's protective entry is found in the wild. */
	if (magic(p, 512, SPAN("EFI PART")) || magic(p, 4096, SPAN("EFI PART")))
		return TABLE_GPT;
	if (!h || h[510] != 0x55 || h[511] != 0xaa)
		return TABLE_NONE;
	for (size_t i = 0; i < 4; i++) {
		const uint8_t *entry = h + 446 + 16 * i;
		if (entry[0] != 0 && entry[0] != 0x80)
			return TABLE_NONE;
		used += entry[4] && le32(entry + 12);
	}
	return used ? TABLE_MBR : TABLE_NONE;
}

int superblock_probe(struct superblock *sb, const struct superblock_reader *reader, struct err *e)
{
	uint8_t head[HEAD];
	struct superblock found = { 0 };
	const size_t len = reader->size < sizeof head ? (size_t)reader->size : sizeof head;

	if (len && reader->read(reader->ctx, head, len, 0, e))
		return e->code;
	struct probe p = { reader, &found, { head, len } };
	for (size_t i = 0; i < sizeof probes / sizeof *probes && !found.kind; i++) {
		found.kind = probes[i](&p);
		if (!found.kind)
			found.label[0] = found.uuid[0] = 0;
	}
	/* The boot sector of FAT and NTFS looks like a partition table. */
	if (found.kind != SUPERBLOCK_VFAT && found.kind != SUPERBLOCK_EXFAT &&
		found.kind != SUPERBLOCK_NTFS)
		found.table = find_table(&p);
	*sb = found;
	return 0;
}

static int read_fd(void *ctx, void *bytes, size_t len, uint64_t at, struct err *e)
{
	return file_read_at(*(const int *)ctx, bytes, len, at, e);
}

int superblock_probe_fd(struct superblock *sb, int fd, uint64_t size, bool no_tail, struct err *e)
{
	const struct superblock_reader reader = { read_fd, &fd, size, no_tail };

	return superblock_probe(sb, &reader, e);
}

const char *superblock_word(enum superblock_kind kind)
{
	static const char *const words[] = {
		[SUPERBLOCK_NONE] = NULL,
		[SUPERBLOCK_LUKS1] = "luks1",
		[SUPERBLOCK_LUKS2] = "luks2",
		[SUPERBLOCK_LVM2] = "lvm2",
		[SUPERBLOCK_MD] = "md",
		[SUPERBLOCK_IMSM] = "imsm",
		[SUPERBLOCK_BCACHE] = "bcache",
		[SUPERBLOCK_CEPH] = "ceph",
		[SUPERBLOCK_XFS] = "xfs",
		[SUPERBLOCK_SQUASHFS] = "squashfs",
		[SUPERBLOCK_EXFAT] = "exfat",
		[SUPERBLOCK_NTFS] = "ntfs",
		[SUPERBLOCK_VFAT] = "vfat",
		[SUPERBLOCK_EXT2] = "ext2",
		[SUPERBLOCK_EXT3] = "ext3",
		[SUPERBLOCK_EXT4] = "ext4",
		[SUPERBLOCK_JBD] = "jbd",
		[SUPERBLOCK_F2FS] = "f2fs",
		[SUPERBLOCK_SWAP] = "swap",
		[SUPERBLOCK_BTRFS] = "btrfs",
		[SUPERBLOCK_ISO9660] = "iso9660",
		[SUPERBLOCK_UDF] = "udf",
	};
	return words[kind];
}

const char *superblock_table_word(enum superblock_table table)
{
	return table == TABLE_GPT ? "gpt" : table == TABLE_MBR ? "mbr" : NULL;
}
