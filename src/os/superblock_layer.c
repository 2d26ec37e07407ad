/* What lies between a disk and a file system: encryption, volumes, RAID, caches. */
#include "os/superblock_parts.h"

enum { SECTOR = 512 };

enum superblock_kind superblock_luks(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, 208);

	if (!h || !superblock_magic(p, 0, SPAN("LUKS\xba\xbe")))
		return SUPERBLOCK_NONE;
	const uint16_t version = be16(h + 6);
	if (version != 1 && version != 2)
		return SUPERBLOCK_NONE;
	superblock_uuid_text(p, h + 168, 40);
	if (version == 2)
		superblock_label(p, h + 24, 48);
	return version == 1 ? SUPERBLOCK_LUKS1 : SUPERBLOCK_LUKS2;
}

enum superblock_kind superblock_lvm(struct probe *p)
{
	for (size_t at = 0; at < 4 * SECTOR; at += SECTOR) {
		const uint8_t *h = superblock_piece(p, at, 64);
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
	superblock_uuid(p, h + 16);
	superblock_label(p, h + 32, 32);
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
	superblock_uuid(p, uuid);
	return true;
}

enum superblock_kind superblock_md(struct probe *p)
{
	uint8_t tail[64];
	const uint8_t *h;
	const uint64_t size = p->reader->size;

	if ((h = superblock_piece(p, 0, 64)) && md_v1(p, h))
		return SUPERBLOCK_MD;
	if ((h = superblock_piece(p, 4096, 64)) && md_v1(p, h))
		return SUPERBLOCK_MD;
	if (p->reader->no_tail || size < 128 * 1024)
		return SUPERBLOCK_NONE;
	if (superblock_fetch(p, tail, sizeof tail, ((size - 8 * 1024) & ~(uint64_t)4095)) &&
		md_v1(p, tail))
		return SUPERBLOCK_MD;
	if (superblock_fetch(p, tail, sizeof tail, (size & ~(uint64_t)65535) - 65536) &&
		md_v0(p, tail))
		return SUPERBLOCK_MD;
	return SUPERBLOCK_NONE;
}

enum superblock_kind superblock_imsm(struct probe *p)
{
	uint8_t tail[24];

	if (p->reader->no_tail || p->reader->size < 128 * 1024)
		return SUPERBLOCK_NONE;
	if (!superblock_fetch(p, tail, sizeof tail, p->reader->size - 1024))
		return SUPERBLOCK_NONE;
	return memcmp(tail, "Intel Raid ISM Cfg Sig. ", 24) ? SUPERBLOCK_NONE : SUPERBLOCK_IMSM;
}

enum superblock_kind superblock_bcache(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 4096, 128);

	if (!h || memcmp(h + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
			  16))
		return SUPERBLOCK_NONE;
	superblock_uuid(p, h + 40);
	superblock_label(p, h + 72, 32);
	return SUPERBLOCK_BCACHE;
}

enum superblock_kind superblock_ceph(struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, 60);

	if (!h || !superblock_magic(p, 0, SPAN("bluestore block device\n")))
		return SUPERBLOCK_NONE;
	superblock_uuid_text(p, h + 23, 36);
	return SUPERBLOCK_CEPH;
}
