/* plan/site_part.h - what the parts of a site do for each other
 *
 *   site.c         which file systems take part, and where the journal of a restore is
 *   site_blank.c   of a disk without a control plane: which is meant
 *   site_write.c   journals of file systems replayed, the chosen ones writable
 *   site_place.c   a path of the running system as device and path below its top
 *
 * Source:     plan/site.h.
 * Units:      none.
 * Ownership:  as plan/site.h.
 * Errors:     as plan/site.h.
 */
#pragma once

#include "plan/site.h"

/* All that the journal on `root` names of a restore that was cut (then the site is interrupted), or
 * of one that leaves no layout to be seen (`settled`).  0 too where there is none. */
int site_find_journal(struct site *site, const struct root *root, const struct target_volume *v,
	bool settled, struct err *e);

/* The chosen volume, with all that was asked for. */
int site_read_again(struct site *site, struct err *e);

/* After a power cut a file system that is taken as it lies is an old one, or has holes.  A clean
 * one is not written to by this. */
void site_replay_journals(struct site *site);

/* "UUID=..", which a journal can be read by after the disks changed their names. */
const char *site_device(struct arena *a, const struct target_volume *v);

/* Is the directory on another file system than `root` itself? */
bool site_is_elsewhere(const struct root *root, const char *path);
