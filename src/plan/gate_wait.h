/* plan/gate_wait.h - stand at the gate: lay down, read, decide, until it opens
 *
 *   gate_open      a place, s3://BUCKET/PREFIX or https://HOST/PATH/, and what this node says
 *   gate_wait      until the verdict is another one than to hold, or the time is over
 *   gate_tell      a later phase: committed, handed off, ..
 *   gate_close
 *
 * The objects are PLACE/ready/NAME. A place that cannot be reached, or an answer that cannot be
 * read, is told once and tried again: nothing is decided by what was known before.
 *
 * Each cluster has a place of its own, and of each node there is one object; nothing is removed.
 * Conditional writes are tried out once at the beginning, judged by what is there afterwards. With
 * them, two machines with one name know of each other at once; without, after some rounds.
 *
 * A cluster of one member needs no gate: nothing is asked, and it is open.
 *
 * Source:     plan/gate.h; source/objects.h.
 * Units:      milliseconds.
 * Ownership:  settings, plan, root and arena are borrowed until gate_close.
 * Errors:     gate_wait: ERR_DECLINED for GATE_STOP and for what the place refuses for good;
 *             to hold is no error, but `released` is false then: exit status 5.
 */
#pragma once

#include "base/arena.h"
#include "base/event.h"
#include "os/root.h"
#include "plan/gate.h"

struct gate_place; /* opaque */

struct gate_wait_settings {
	struct gate_settings gate;
	const struct plan *plan; /* its gate, and the keys s3, https, proxy to get there */
	struct root *root;       /* of the machine we run on, for files that the plan names */
	const struct listener *listener;
	unsigned every_ms; /* 0: 5,000 */
	uint64_t hold_ms;  /* how long to wait; 0: for ever */
	/* Asked now and then: an error of it ends the waiting. NULL: nobody. */
	int (*go_on)(void *ctx, struct err *e);
	void *ctx;
};

struct gate_outcome {
	bool released;
	struct gate_decision last;
	const char **committed; /* names of those that have, NULL-terminated: plan/survivors.h */
};

/* Does this plan have a gate to wait at, with so many who take part? */
bool gate_is_wanted(const struct plan *plan, size_t n_names);

int gate_open(struct gate_place **place, struct arena *a, const struct gate_wait_settings *settings,
	struct err *e);
int gate_wait(struct gate_outcome *outcome, struct gate_place *place, struct err *e);
/* Once; whoever needs it told tries again. Does nothing without a gate. */
int gate_tell(struct gate_place *place, enum gate_phase phase, struct err *e);

/* Who is there, without saying anything: one round of reading. */
int gate_look(const struct gate **gate, struct gate_place *place, struct err *e);
void gate_close(struct gate_place *place);
