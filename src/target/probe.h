/* target/probe.h - the file systems of a machine's disks, each looked into without a change
 *
 * Every file system that os/block found is mounted for one descriptor alone (os/mount.h):
 * read-only, no devices, no set-uid, nothing to execute, no journal replayed.  What is not
 * mounted is kept with the reason: LUKS, LVM and md need unlocking or assembling first, which
 * target/assemble.h does.
 *
 * Source:     os/block.h, os/mount.h.
 * Units:      bytes.
 * Ownership:  everything but the descriptors lives in the arena; target_probe_close unmounts.
 * Errors:     none: `why` says what kept one from being looked into.
 */
#pragma once

#include "os/block.h"
#include "os/mount.h"

struct target_volume {
	const char *name; /* "sda2" */
	const struct block *disk;
	const struct superblock *content;
	uint64_t size;
	struct root root; /* its top; NO_ROOT when it is not mounted */
	const char *why;  /* it is not; NULL: it is */
	bool locked;      /* something may be in it that nobody could see yet */
	bool twin;        /* another path to a disk that stands before it */
};

struct target_volumes {
	struct target_volume *v;
	size_t n;
};

/* `blocks` with their content, as block_probe leaves them; `machine` holds dev. */
void target_probe(struct target_volumes *volumes, struct arena *a, const struct root *machine,
	const struct block *blocks, size_t n);
void target_probe_close(struct target_volumes *volumes);

/* By "UUID=..", "LABEL=..", "PARTUUID=..", "PARTLABEL=.." or "/dev/.."; NULL: none, or two. */
const struct target_volume *target_probe_find(
	const struct target_volumes *volumes, const char *device);
