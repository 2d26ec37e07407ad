/* target/overlay.h - what an upper layer has to say so that a lower one is not seen through it
 *
 *   lower  var/lib/etcd/member/wal/old.wal      shows again in a new upper `member`,
 *   upper  overlayfs/member                     unless that is opaque
 *
 * A directory that is staged in an upper layer, over one of the same name in a lower layer,
 * is merged with it when the running system mounts the overlay: segments and snapshots of the
 * old member would be back among the new ones.
 *
 * Source:     Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories";
 *             trusted.overlay.opaque=y.  An overlay mounted with userxattr, which no machine
 *             mounts for etcd, would want user.overlay.opaque.
 * Units:      none.
 * Ownership:  borrows the root, which is the top of the upper layer's file system.
 * Errors:     ERR_DECLINED for what is no directory; ERR_UNSUPPORTED: the file system keeps no
 *             extended attributes, or we are not root; ERR_NOTFOUND, ERR_IO.
 */
#pragma once

#include <stdbool.h>

#include "os/root.h"

/* Before the directory gets the name that the lower layer has; synced, and read again. */
int target_make_opaque(const struct root *root, const char *directory, struct err *e);

/* Is it? */
int target_is_opaque(bool *opaque, const struct root *root, const char *directory, struct err *e);
