/* os/mount.h - a file system looked into without a place in the tree
 *
 * It is mounted for one descriptor: no directory is needed, nobody else sees it, and when the
 * descriptor is closed, or the program is killed, it is unmounted and its disk is free.
 * No devices, no set-uid, nothing to execute; read-only but for MOUNT_WRITE.
 *
 *   MOUNT_AS_IT_IS   not one byte is written; what a journal still holds is not seen, and a
 *                    file system that needs it may be refused. For disks of others.
 *   MOUNT_REPLAY     the journal is replayed first, which writes. For a clone of our own.
 *   MOUNT_WRITE      replayed, and writable. For the file systems of a restore.
 *
 * Source:     fsopen(2), fsconfig(2), fsmount(2), Linux 5.2; options as in ext4(5), xfs(5),
 *             btrfs(5) and Documentation/filesystems/f2fs.rst.
 * Units:      none.
 * Ownership:  root_close of `mounted` unmounts, once all files below it are closed.
 * Errors:     ERR_UNSUPPORTED: no file system, or one this kernel does not know; ERR_IO,
 *             ERR_NOTFOUND in the kernel's words.
 */
#pragma once

#include "os/root.h"
#include "os/superblock.h"

enum mount_journal { MOUNT_AS_IT_IS, MOUNT_REPLAY, MOUNT_WRITE };

/* `device` is a path below `root`; `kind` is what superblock_probe found on it. */
int mount_open(struct root *mounted, const struct root *root, const char *device,
	enum superblock_kind kind, enum mount_journal journal, struct err *e);

/* An empty file system in memory, of so many bytes at most, that nobody else sees: for secrets. */
int mount_memory(struct root *mounted, uint64_t bytes, struct err *e);

/* Can this be mounted at all? LVM, LUKS, swap and the like cannot. */
bool mount_possible(enum superblock_kind kind);
