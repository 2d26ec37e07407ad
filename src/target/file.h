/* target/file.h - a file of the target gives way to another, and only its bytes change
 *
 *   PATH                                   the new file: same owner, mode, ACLs, extended
 *                                          attributes and SELinux label
 *   var/lib/etcd-rescue/before/PATH        the old one, the very file under another name;
 *                                          a copy where that is another file system
 *
 * The new file is written and synced beside the old one, whose second name is made and synced
 * before the rename, so that a power cut leaves one of the two and never loses the old.
 * A copy that is kept already is never replaced: it is what was there first.
 *
 * Source:     rename(2), link(2), xattr(7), acl(5), ioctl_iflags(2).
 * Units:      bytes.
 * Ownership:  borrows the root.
 * Errors:     ERR_DECLINED for an immutable or append-only file, a link or what is no file,
 *             with what to do; ERR_IO, ERR_SPACE, ERR_NOTFOUND.
 */
#pragma once

#include <sys/types.h>

#include "base/span.h"
#include "os/root.h"

#define TARGET_STATE "var/lib/etcd-rescue"

/* A file that is there already. */
int target_replace(const struct root *root, const char *path, struct span content, struct err *e);

/* The same without keeping the old one: of a file that this program has put there itself. */
int target_overwrite(const struct root *root, const char *path, struct span content, struct err *e);

/* One that is not there yet; its metadata are those of `like`, a path, where that is not NULL,
 * else root's with `mode`. */
int target_create(const struct root *root, const char *path, const char *like, mode_t mode,
	struct span content, struct err *e);

/* The label of the directory above, as a kernel that knows labels would give it. */
int target_label_like(int new, int above, const char *name, struct err *e);

/* All directories of a path below the root that are missing, with that label, synced. */
int target_make_directories(const struct root *root, const char *path, mode_t mode, struct err *e);

/* One more name for a file, a copy where that is another file system; synced, and never torn. */
int target_second_name(
	int from_dir, const char *from_name, int to_dir, const char *name, struct err *e);

/* Owner, mode and extended attributes, ACLs and labels among them; what an overlay notes about its
 * layers is not taken over. */
int target_copy_metadata(int from, int to, const char *name, struct err *e);
