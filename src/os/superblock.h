/* os/superblock.h - what is on a disk or partition, told from its own bytes
 *
 *   kind       where            magic                     label       uuid
 *   luks1/2    0                "LUKS\xba\xbe"            24 (v2)     168, text
 *   lvm2       0..3 * 512       "LABELONE"                -           +32, text
 *   md         0, 4096, end     0xa92b4efc                +32 (v1)    +16
 *   imsm       end - 1024       "Intel Raid ISM Cfg Sig." -           -
 *   bcache     4096 + 24        16 bytes                  +72         +40
 *   ceph       0                "bluestore block device"  -           23, text
 *   xfs        0                "XFSB"                    108         32
 *   squashfs   0                "hsqs"                    -           -
 *   exfat      3                "EXFAT   "                root dir    serial, 100
 *   ntfs       3                "NTFS    "                -           serial, 72
 *   vfat       0                boot sector               root dir    serial, 39 or 67
 *   ext2/3/4   1024 + 56        0xef53                    +120        +104
 *   f2fs       1024             0xf2f52010                +124, UTF16 +108
 *   swap       page - 10        "SWAPSPACE2"              1052        1036
 *   btrfs      65536 + 64       "_BHRfS_M"                +299        +32
 *   iso9660    32768 + 1        "CD001"                   +40         dates, +813
 *   udf        32768.. + 1      "NSR02", "NSR03"          -           -
 *
 * A partition table is reported beside the kind, since a hybrid ISO has both.
 *
 * Source:     the on-disk format of each, as in the Linux headers and the ECMA-119,
 *             ECMA-167 and Microsoft FAT and exFAT documents.
 * Units:      bytes.
 * Ownership:  the result is a value; nothing is kept.
 * Errors:     ERR_IO when the start cannot be read.  Whatever the bytes are, there is an
 *             answer: SUPERBLOCK_NONE when nothing is recognised.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum superblock_kind {
	SUPERBLOCK_NONE,
	SUPERBLOCK_LUKS1,
	SUPERBLOCK_LUKS2,
	SUPERBLOCK_LVM2,
	SUPERBLOCK_MD,
	SUPERBLOCK_IMSM,
	SUPERBLOCK_BCACHE,
	SUPERBLOCK_CEPH,
	SUPERBLOCK_XFS,
	SUPERBLOCK_SQUASHFS,
	SUPERBLOCK_EXFAT,
	SUPERBLOCK_NTFS,
	SUPERBLOCK_VFAT,
	SUPERBLOCK_EXT2,
	SUPERBLOCK_EXT3,
	SUPERBLOCK_EXT4,
	SUPERBLOCK_JBD,
	SUPERBLOCK_F2FS,
	SUPERBLOCK_SWAP,
	SUPERBLOCK_BTRFS,
	SUPERBLOCK_ISO9660,
	SUPERBLOCK_UDF,
};

enum superblock_table { TABLE_NONE, TABLE_MBR, TABLE_GPT };

struct superblock {
	enum superblock_kind kind;
	enum superblock_table table;
	char label[256]; /* UTF-8 where the format says what it is, else as found */
	char uuid[40];   /* as blkid spells it; empty: none */
	bool errors;     /* the file system says of itself that it has some; ext alone does */
};

/* Where the bytes come from: `read` gives exactly `len` bytes at `at`, or an error. */
struct superblock_reader {
	int (*read)(void *ctx, void *bytes, size_t len, uint64_t at, struct err *e);
	void *ctx;
	uint64_t size;
	bool no_tail; /* do not look at the end: slow or unreadable on optical media */
};

int superblock_probe(struct superblock *sb, const struct superblock_reader *reader, struct err *e);

/* The same, through pread on a descriptor. */
int superblock_probe_fd(struct superblock *sb, int fd, uint64_t size, bool no_tail, struct err *e);

/* Stable words, as in --json: "ext4", "lvm2", "luks2"; NULL for none. */
const char *superblock_word(enum superblock_kind kind);
const char *superblock_table_word(enum superblock_table table);
