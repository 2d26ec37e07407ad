/* cmd/restore_source.h - `snapshot restore URL`: from a place into a member directory
 *
 * The bytes stream from the source through the unwrapping into the staged database; there is
 * no other copy.  A snapshot that turns out bad leaves nothing, and the next one is tried.
 *
 * A rehearsal, and members taken from the snapshot itself, want to see it before the restore
 * begins: for these it is held in a nameless file near the target.
 *
 * Source:     none.
 * Units:      bytes.
 * Ownership:  the result's texts live in the app's arena.
 * Errors:     those of plan/fetch.h and etcd/restore.h.
 */
#pragma once

#include "cmd/source_options.h"
#include "etcd/restore.h"
#include "plan/fetch.h"

int restore_source(struct etcd_restore_result *result, const struct etcd_restore *r,
	struct app *app, const struct source_options *o, const char *address, struct err *e);

/* `near` is a path whose file system takes it; the app's operand becomes the file. */
int restore_source_hold(struct fetch_held *held, struct app *app, const struct source_options *o,
	const char *near, bool skip_hash, struct err *e);
