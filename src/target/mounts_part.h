/* target/mounts_part.h - what mounts.c (the texts) does for mounts_read.c (the files)
 *
 * Source:     target/mounts.h.
 * Units:      bytes.
 * Ownership:  everything lives in the arena.
 * Errors:     none: what says nothing is passed over.
 */
#pragma once

#include "target/mounts.h"

enum { MOUNTS_TEXT_MAX = 1 << 20 };

/* "var-lib-etcd\x2dwal.mount" is /var/lib/etcd-wal; NULL: no name of a mount unit. */
const char *mounts_place_of_name(struct arena *a, const char *path);

/* What a unit or a drop-in of it says; what it does not say stays.  `named` is the place of its
 * name. */
void mounts_read_unit(struct target_mount *m, struct arena *a, struct str text, const char *named);
