/* plan/finish_join_files.h - the files of an etcd that joins: filled in, then put in place
 *
 *   cluster->files     carry the text cluster->listed, which gives way to --initial-cluster
 *   record->held       etcd's own manifest, or what its unit waits for, goes where it belongs
 *   STATE/finish/      what the files were before, so that they can be filled in again when
 *                      somebody came or went meanwhile; gone when the member has started,
 *                      with what an earlier restore left there
 *
 * A file is replaced as a whole; owner, mode and label stay.  Everything may be done again after
 * a crash at any point.
 *
 * Source:     rename(2); systemctl(1): a unit that changed is read again before it is started.
 * Units:      none.
 * Ownership:  borrows everything.
 * Errors:     ERR_FORMAT when a file does not hold the text; ERR_IO, ERR_SPACE.
 */
#pragma once

#include "plan/finish.h"

struct join_files {
	struct finish *f;
	size_t cluster; /* of the record */
};

/* Has the member's own manifest been put in place? */
bool join_files_released(const struct join_files *files);

/* `*changed` is false when they say so already. */
int join_files_fill(
	bool *changed, const struct join_files *files, const char *initial_cluster, struct err *e);

void join_files_forget(const struct join_files *files);

/* Does this entry of record->held belong to this cluster's etcd? */
bool join_files_own(const struct finish_record *record, size_t cluster, size_t held);
