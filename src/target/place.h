/* target/place.h - where a path of the running system really lies
 *
 *   /var/lib/etcd            overlay: /run/lib-etcd/overlayfs over /var/lib/etcd  (etc/fstab:7)
 *   /run/lib-etcd/overlayfs  LABEL=ETCDK8S, overlayfs                             (etc/fstab:6)
 *
 * The tree is that of one file system, not running: what is mounted over it is known from what
 * it says (target/mounts.h), and links are followed as the running system would, below its
 * root.  On file systems that cannot be looked into, links are not seen.
 *
 * Source:     mount(8) on bind mounts, Documentation/filesystems/overlayfs.rst, btrfs(5).
 * Units:      none.
 * Ownership:  everything lives in the arena; roots are borrowed.
 * Errors:     ERR_FORMAT: links or mounts that go in a circle, an overlay that nothing can be
 *             written to, each with the place; ERR_USAGE: no absolute path.
 */
#pragma once

#include "target/mounts.h"
#include "target/ostree.h"

struct target_spot {
	const char *device; /* "UUID=..", "LABEL=..", "/dev/.."; NULL: the root's own */
	const char *type;   /* "xfs"; "auto": not said, also for the root's own */
	const char *inside; /* below the top of that file system: "overlayfs/member"; "": its top */
};

struct target_place {
	const char *path; /* as the running system sees it, no links left */
	struct target_spot spot;
	struct target_spot *lower; /* what an overlay shows too where `spot` has nothing */
	size_t n_lower;
	const char **chain; /* how it was found, line by line */
	size_t n_chain;
};

struct target_tree {
	struct arena *arena;
	const struct root *root; /* the top of the file system */
	const char *base;        /* where the running system's root is in it: "", a deployment */
	struct target_mounts mounts;
	struct target_ostree ostree;
	/* The top of another file system, NULL when it is not to be had.  May be NULL itself. */
	const struct root *(*look)(void *ctx, const char *device);
	void *ctx;
};

/* Deployment and mounts of the file system `root`; `boot` as for target_ostree. */
int target_tree(struct target_tree *tree, struct arena *a, const struct root *root,
	const struct root *boot, struct err *e);

/* The root of the running system, which is not the file system's with ostree. */
int target_tree_open(struct root *running, const struct target_tree *tree, struct err *e);

int target_place(struct target_place *place, const struct target_tree *tree, const char *path,
	struct err *e);
