/* os/gpt.h - what a GUID partition table calls its partitions
 *
 *   block 1   0 "EFI PART"   72 first block of the entries   80 how many   84 size of one
 *   entry     0 type   16 the partition's own GUID   32 first block   40 last block
 *
 * The kernel knows them too, and 6.12 does not tell them in sysfs.
 *
 * Source:     UEFI specification 2.10, section 5.3.
 * Units:      partitions count from 1.
 * Ownership:  the text is the caller's.
 * Errors:     ERR_FORMAT: no such table, or it does not fit; ERR_NOTFOUND: no such partition;
 *             ERR_IO.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

enum { GPT_UUID = 37 };

/* The GUID of partition `number` as PARTUUID spells it; `sector` is the disk's block size. */
int gpt_partition_uuid(
	char uuid[GPT_UUID], int fd, unsigned sector, unsigned number, struct err *e);
