/* plan/finish.h - the first boot of a restored system
 *
 *   hold         one program at a time
 *   join         a node that joins: its member is added and started (finish_join.h)
 *   etcd         until this node's etcd serves; cluster id and members compared
 *   pods         static pods that waited are put in place: then, or at the deadline
 *   API          under a Lease: what the layout cleans up and the plan lets it
 *   remove       when all of it is done, the record and the unit go; the program stays
 *
 * What fails is told and left for the next boot, or for `etcd-rescue finish` by hand; everything
 * may be done again.  Static pods are put in place whatever fails, but for the etcd
 * of a node that could not join.
 *
 * Source:     design of the first boot.
 * Units:      seconds.
 * Ownership:  borrows root and listener; the rest lives in the arena.
 * Errors:     the first that counts, after all else has been done; ERR_NOTFOUND: there is
 *             nothing to finish; ERR_DECLINED: another one is at work.
 */
#pragma once

#include "os/root.h"
#include "plan/finish_record.h"
#include "plan/finish_wait.h"

struct finish {
	/* set before */
	struct arena *arena;
	const struct root *root; /* of the running system */
	const struct listener *listener;
	uint64_t deadline_s;     /* 0: as the plan says */
	struct finish_wait wait; /* who stops it */

	/* found and done */
	const char *state; /* "var/lib/etcd-rescue" */
	struct finish_record record;
	struct finish_step steps[FINISH_ACTIONS];
	size_t members, started; /* of all clusters */
	size_t released, cleaned;
	bool served, removed;
};

/* Record and steps. */
int finish_read(struct finish *f, struct err *e);

/* Nobody else finishes this restore until `*lock` is closed, or the program ends.  Waits for some
 * seconds, then ERR_DECLINED says who does; ERR_NOTFOUND: it has been finished meanwhile.
 * Reads the record again, which another restore may have replaced. */
int finish_hold(int *lock, struct finish *f, struct err *e);
int finish_run(struct finish *f, struct err *e);

/* A file that waited is put in place; one that was already is no error. */
int finish_release(struct finish *f, const struct finish_held *held, struct err *e);

/* Its own files, once the report is out; what is gone already is no error. */
int finish_remove(struct finish *f, struct err *e);
