/* os/block.h - the disks of a machine: what they are, and what is on them
 *
 * Disks, optical drives, md and device-mapper volumes; no loops, RAM disks or floppies.
 * Order: by name with numbers counted, sd9 before sd10.  A name says nothing about which
 * disk it is: use the serial, the WWN or a UUID.
 *
 * Looking is in two halves: block_list reads sysfs alone and cannot be held up by a sick
 * disk; block_probe reads the disks, each from a process of its own, so that one which
 * does not answer costs its own answer and no more.
 *
 * Source:     Documentation/ABI/stable/sysfs-block, Linux 6.12.
 * Units:      bytes.
 * Ownership:  everything lives in the arena.
 * Errors:     block_list: ERR_NOTFOUND when there is no /sys/block.  block_probe has none:
 *             `trouble` says why a disk's content is not known.
 */
#pragma once

#include "base/arena.h"
#include "os/root.h"
#include "os/superblock.h"

struct block_part {
	const char *name; /* "sda1" */
	unsigned number;
	uint64_t start, size;
	const char *label, *uuid; /* as the partition table has them; NULL: none */
	struct superblock content;
	const char *trouble; /* NULL: content was read */
};

struct block {
	const char *name;      /* "sda" */
	const char *alias;     /* name of a device-mapper volume; NULL */
	const char *model;     /* NULL: not known, as the others */
	const char *serial;    /* of the disk; a RAID controller shows its volume's */
	const char *wwn;       /* "naa.5000c500a1b2c3d4", "eui.0025385b71b0d6a8" */
	const char *transport; /* "sata", "sas", "nvme", "usb", "virtio", "fc", "iscsi" ... */
	const char *driver;    /* of the controller: "megaraid_sas" */
	uint64_t size;
	unsigned sector;
	bool removable, read_only, rotational, optical;
	unsigned paths; /* how many disks have this WWN: more than 1 is multipath */
	struct superblock content;
	const char *trouble;
	struct block_part *parts;
	size_t n_parts;
};

int block_list(
	struct block **blocks, size_t *n, struct arena *a, const struct root *root, struct err *e);

/* The disk of that name, or with a partition of that name: "sda", "sda2"; NULL: none. */
const struct block *block_find(const struct block *blocks, size_t n, const char *name);

/* Fill `content` and `trouble` of disks and partitions; over after `limit_ms` at most. */
void block_probe(
	struct block *blocks, size_t n, struct arena *a, const struct root *root, int limit_ms);
