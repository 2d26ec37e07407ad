/* cmd/restored.h - the disk with the journal of a restore, for rollback, commit and forget
 *
 *   the rescue image     the machine's disks are searched, those that take part made writable
 *   --root DIR           a tree that somebody mounted
 *   neither              the running system
 *
 * In the latter two the journal is STATE/journal below the tree.  Its paths are below the top of
 * a file system, which the tree may show a part of (an ostree deployment): a mount of that top,
 * and of the other file systems that the journal names, is looked for in /proc/self/mountinfo.
 *
 * Source:     proc_pid_mountinfo(5).
 * Units:      seconds.
 * Ownership:  borrows the app; restored_close closes and unmounts.
 * Errors:     ERR_NOTFOUND: no journal, a file system that is not mounted, with what to do.
 */
#pragma once

#include "cmd/applets.h"
#include "plan/site.h"
#include "target/commit.h"

enum { RESTORED_WAIT_S = 90 };

struct restored {
	bool writes; /* set before: the machine's disks are mounted writable, journals replayed */
	struct app *app;
	struct commit commit; /* open */
	struct site site;
	struct root tree, tops[SITE_ROOTS_MAX];
	struct commit_root roots[SITE_ROOTS_MAX];
	size_t n_roots;
	struct root held;
};

#define NO_RESTORED    ((struct restored){ .site = NO_SITE, .tree = NO_ROOT, .held = NO_ROOT })
#define CLEAN_RESTORED __attribute__((cleanup(restored_close)))

/* `dir` is NULL: the image's disks, or the running system. */
int restored_open(struct restored *r, struct app *app, const char *dir, struct err *e);
/* Before anything is written: ERR_DECLINED and status 1 while another program works on this disk;
 * then the journal is read again. */
int restored_hold(struct restored *r, struct err *e);
void restored_close(struct restored *r);

/* Until nobody holds the database any more, for `wait_s` at most; a commit's `idle`. */
struct restored_wait {
	const struct commit *commit;
	uint64_t wait_s;
	bool gave_up;
};
int restored_wait(void *ctx, struct err *e);

/* What the journal says, for people or as one object; `did` is the event's outcome. */
int restored_print(struct restored *r, const char *event, const char *did, uint64_t bytes,
	bool json, struct err *e);

/* The same of what has been done: a failure is only warned of, since done it is. */
void restored_tell(
	struct restored *r, const char *event, const char *did, uint64_t bytes, bool json);

/* The exit status after an error: 6 refused, 1 nothing was changed, 4 between two states. */
int restored_status(const struct restored *r, const struct err *e);
