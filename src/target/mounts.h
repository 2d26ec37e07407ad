/* target/mounts.h - what a disk says is mounted where, when it runs
 *
 *   etc/fstab, etc/fstab.metal               UUID=.. /var/lib/etcd xfs defaults 0 2
 *   etc/systemd/system/var-lib-etcd.mount    [Mount] What= Where= Type= Options=
 *   run/, usr/lib/ and lib/systemd/system    the same, behind fstab
 *   ../var-lib-etcd.mount.d/ *.conf          drop-ins, of what fstab says as well
 *
 * The first that names a place wins, as in systemd: units of etc before fstab before the
 * others.  A unit whose name is not that of its place does not count, nor does a masked one.
 * Whether a unit is enabled is not looked at: a unit for etcd's directory is there to be used.
 *
 * Source:     fstab(5), systemd.mount(5), systemd.unit(5) on escaping, systemd-escape(1);
 *             fstab.metal as HPE Cray's live images write it.
 * Units:      none.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_SPACE past TARGET_MOUNTS_MAX; those of os/file.h for what cannot be read.
 *             A line that says nothing is passed over.
 */
#pragma once

#include "base/arena.h"
#include "os/root.h"

enum { TARGET_MOUNTS_MAX = 512, TARGET_PATH_MAX = 4096 };

struct target_mount {
	const char *where;  /* "/var/lib/etcd": no "." or "..", no "/" at the end but of "/" */
	const char *what;   /* "UUID=..", "LABEL=..", "PARTUUID=..", "/dev/..", a directory */
	const char *type;   /* "xfs", "overlay"; "auto": not said */
	const char *option; /* as it stands, comma separated; "": none */
	const char *own;    /* a directory of the root's own file system is there; else NULL */
	const char *origin; /* "etc/fstab:3" */
};

struct target_mounts {
	struct target_mount *v;
	size_t n, room;
};

/* All that the tree below `root` says. */
int target_mounts(
	struct target_mounts *mounts, struct arena *a, const struct root *root, struct err *e);

/* One more, unless its place is taken already. */
int target_mounts_add(
	struct target_mounts *mounts, struct arena *a, const struct target_mount *m, struct err *e);

/* The parsers: the text of an fstab, and of a unit of that name. */
int target_mounts_fstab(struct target_mounts *mounts, struct arena *a, struct str text,
	const char *path, struct err *e);
int target_mounts_unit(struct target_mounts *mounts, struct arena *a, struct str text,
	const char *path, struct err *e);

/* The value of "name=" in a list of options; the last one.  False: not there. */
bool target_mount_option(struct str *value, const struct target_mount *m, const char *name);

/* An absolute path without ".", ".." and doubled or trailing slashes; NULL: is none. */
const char *target_path(struct arena *a, struct str path);
