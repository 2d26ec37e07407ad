#include "os/superblock.h"

#include <stdio.h>

#include "base/utf8.h"
#include "os/file.h"
#include "os/superblock_parts.h"

/* All magics but those at the end of the device lie in here; btrfs' is the last. */
enum { HEAD = 68 * 1024, SECTOR = 512 };

static bool has(const struct probe *p, size_t at, size_t len)
{
	return at <= p->head.len && len <= p->head.len - at;
}

const uint8_t *superblock_piece(const struct probe *p, size_t at, size_t len)
{
	return has(p, at, len) ? p->head.p + at : NULL;
}

bool superblock_magic(const struct probe *p, size_t at, struct span bytes)
{
	return has(p, at, bytes.len) && !memcmp(p->head.p + at, bytes.p, bytes.len);
}

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

void superblock_label(struct probe *p, const uint8_t *field, size_t len)
{
	set_text(p->sb->label, sizeof p->sb->label, field, len);
}

void superblock_uuid_text(struct probe *p, const uint8_t *field, size_t len)
{
	set_text(p->sb->uuid, sizeof p->sb->uuid, field, len);
}

void superblock_uuid(struct probe *p, const uint8_t *u)
{
	char *out = p->sb->uuid;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += snprintf(out, 3, "%02x", u[i]);
	}
}

void superblock_serial(struct probe *p, const uint8_t *serial)
{
	snprintf(p->sb->uuid, sizeof p->sb->uuid, "%02X%02X-%02X%02X", serial[3], serial[2],
		serial[1], serial[0]);
}

void superblock_label_utf16(struct probe *p, const uint8_t *field, size_t n)
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
		out += utf8_put(out, c);
	}
	*out = 0;
}

bool superblock_fetch(const struct probe *p, void *bytes, size_t len, uint64_t at)
{
	struct err ignored;

	if (at > p->reader->size || p->reader->size - at < len)
		return false;
	return !p->reader->read(p->reader->ctx, bytes, len, at, &ignored);
}

/* Layers first: below them the bytes of an older file system may have survived. */
static superblock_look *const probes[] = {
	superblock_luks,
	superblock_lvm,
	superblock_md,
	superblock_imsm,
	superblock_bcache,
	superblock_ceph,
	superblock_xfs,
	superblock_squashfs,
	superblock_exfat,
	superblock_ntfs,
	superblock_vfat,
	superblock_ext,
	superblock_f2fs,
	superblock_swap,
	superblock_btrfs,
	superblock_iso,
	superblock_udf,
};

static enum superblock_table find_table(const struct probe *p)
{
	const uint8_t *h = superblock_piece(p, 0, SECTOR);
	size_t used = 0;

	/* One is enough: a boot sector without GPT's protective entry is found in the wild. */
	if (superblock_magic(p, 512, SPAN("EFI PART")) ||
		superblock_magic(p, 4096, SPAN("EFI PART")))
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
