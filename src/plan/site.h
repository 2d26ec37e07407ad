/* plan/site.h - the machine's disks, or a mounted tree, with the control plane that is there
 *
 *   site_look    read-only: which file systems, which of them holds the control plane, where
 *                etcd's directories really lie
 *   site_blank   there is none: the installed system that could become a fresh master
 *   site_fresh   that one, with its configuration read elsewhere, where it is made
 *   site_write   the same file systems, and no others, writable; everything is read again
 *   site_close   unmounted
 *
 * A commit or rollback that was cut has etcd's manifest away, and no control plane is recognised:
 * then the journal says what takes part, and the site is interrupted.  So it is with one that is
 * committed and has no manifest in place, of a node that joins or stands aside: it is settled.
 *
 * A place for the commit is a device and a path below its top.  Of a mounted tree there is one
 * device, "", and paths are as the tree has them: whoever mounted it has put the other file
 * systems where they belong.
 *
 * Source:     plan/target.h, target/commit.h.
 * Units:      bytes.
 * Ownership:  everything but descriptors lives in the arena; the site does not move while open.
 * Errors:     those of plan/target.h and os/mount.h; ERR_NOTFOUND with what to mount where.
 */
#pragma once

#include "plan/target.h"
#include "target/assemble.h"
#include "target/commit.h"

/* "etc/kubernetes/manifests/etcd.yaml" on ostree's disk is in a deployment. */
enum { SITE_ROOTS_MAX = 16, SITE_PROBE_MS = 12000 };

struct site {
	struct arena *arena;
	const struct root *machine; /* holds dev, proc, sys */
	const struct listener *listener;
	const char *dir;    /* a mounted tree; NULL: the machine's disks */
	bool replay;        /* it will be written to: journals of file systems are replayed first */
	const char *layout; /* told; NULL: found */
	const char *aside;  /* a directory of the running system that takes part; NULL: none */
	struct target_assemble_options storage; /* keys, degraded arrays: as the plan says */
	struct root tree;
	struct target_assembly assembly;
	struct target_volumes volumes;
	struct plan_target target;
	struct commit_root roots[SITE_ROOTS_MAX]; /* the first has the journal */
	size_t n_roots;
	const char *state;         /* the state directory below the first root */
	const struct root *config; /* of a fresh master: its files as they will be; NULL: none */
	bool writable;
	bool bare;        /* a node without an etcd, and so without a layout */
	bool interrupted; /* there is no layout; commit_resume goes on, or site_look says why not */
	bool settled;     /* nor here: what is committed has the manifest wait, or away for good */
	const char *unread; /* a journal that says nothing any more; NULL: none */
};

#define NO_SITE    ((struct site){ .tree = NO_ROOT, .target.running = NO_ROOT })
#define CLEAN_SITE __attribute__((cleanup(site_close)))

/* arena, machine, listener, dir, layout and storage are set before. */
int site_look(struct site *site, struct err *e);
/* Once site_look found nothing: site->target.running is the system without a control plane;
 * ERR_NOTFOUND, ERR_DECLINED: none, or several. */
int site_blank(struct site *site, struct err *e);
int site_fresh(struct site *site, const struct root *config, struct err *e);
/* The same disk as a node that runs no etcd. */
int site_bare(struct site *site, struct err *e);
int site_write(struct site *site, struct err *e);
void site_close(struct site *site);

/* A file as the running system sees it: "etc/hosts". */
int site_file(struct commit_place *place, const struct site *site, const char *path, struct err *e);

/* A directory of a cluster. */
int site_directory(struct commit_place *place, const struct site *site,
	const struct plan_target_directory *directory, struct err *e);

/* The root that a place's path is below; NULL: none of ours. */
const struct root *site_root(const struct site *site, const char *device);

/* Bytes that may still be written on the file system of a place. */
int site_free(
	uint64_t *bytes, const struct site *site, const struct commit_place *place, struct err *e);
