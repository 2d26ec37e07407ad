/* source/ebs_device.h - the disk an attached volume has become, and the file system on it
 *
 *   NVMe (Nitro)   by its serial number, which is the volume's id without the dash
 *   Xen            no serial: the xvd disk that was not there before and has the volume's
 *                  size; of several such the one with the letters of the device name
 *
 * A name alone is never believed: /dev/sdf becomes nvme1n1 here and xvdj there.
 *
 * Source:     Amazon EBS user guide, "Identify EBS volumes"; Linux 6.12.
 * Units:      bytes.
 * Ownership:  names live in the arena; root_close of `mounted` unmounts.
 * Errors:     ERR_IO: no such disk came within the time; ERR_NOTFOUND: nothing on it that can
 *             be mounted (with what is there); ERR_DECLINED: it cannot be told which.
 */
#pragma once

#include "base/arena.h"
#include "os/block.h"

struct ebs_disk {
	const char *volume; /* "vol-0123.." */
	const char *device; /* as EC2 calls it */
	uint64_t size;
	const struct block *before; /* the disks before it was attached */
	size_t n_before;
};

/* NULL: not here, or not yet; *several: more than one could be it. */
const struct block *ebs_disk_among(
	bool *several, const struct block *v, size_t n, const struct ebs_disk *disk);

/* Waits for the disk.  `*name` is that of the kernel, "nvme1n1". */
int ebs_disk_find(const char **name, struct arena *a, const struct root *root,
	const struct ebs_disk *disk, unsigned limit_ms, struct err *e);

/* Mount, its journal replayed, the file system of the disk or of its partitions that has `path`
 * below it; where several have it or none is asked for, one with a snapshot.db goes first.
 * `*where` is what it is on: "nvme1n1p1 (ext4)". */
int ebs_disk_mount(struct root *mounted, const char **where, struct arena *a,
	const struct root *root, const char *name, const char *path, struct err *e);
