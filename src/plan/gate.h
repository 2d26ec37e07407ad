/* plan/gate.h - may this master commit?  The decision, of what was read and nothing else
 *
 * Every master lays down what it says at a fixed name of its own (plan/gate_note.h) and reads
 * those of the others, again and again. Nobody leads, and nobody writes another one's name: the
 * rendezvous need not know conditional writes, and no listing either.
 *
 *	round      gate_begin, one gate_hear or gate_hear_nothing for each member, gate_decide
 *
 * A round decides by what was read in this round. It has to be complete: our own note, read back
 * as it was written, and an answer for everybody else, were it that there is none. Otherwise: hold.
 *
 *	hold       wait; the old state is intact
 *	confirm    the rule holds: say `released`, and look once more
 *	release    it still does, after that was said: commit
 *	stop       never with this plan: somebody differs, or is newer, or has our name
 *
 * The rule, with q = n / 2 + 1 of the old and of the new cluster:
 *
 *	in the new state or about to be  >= q_new, with one digest
 *	the same, and those aside        >= N_old - q_old + 1     else the old cluster could go on
 *
 * Who counts: `committed` and later phases; `ready` and `released` only while they live, which is
 * when it is known that their note was written not longer ago than `fresh_ms`: it changed between
 * two looks of ours, and so after the first of them. So a master that was switched off after it
 * was ready, and may come back with its old disk, does not count.
 *
 * missing: wait      everybody has to be there as well
 * missing: proceed   the rule is enough
 *
 * Said first and looked at then: of two masters that are about to commit different things at least
 * one finds the other's `released`, however slow they are, and stops.
 *
 * Where somebody has committed the same, the gate was open: who comes late just goes on.
 *
 * Notes of another plan: with a lower generation they are left alone and do not count; a higher
 * one stops us; so does one of the same generation that lives, or that has begun to commit. Else
 * it is of an earlier try and left alone. So a cluster that is restored again takes a higher
 * generation; one master that repeats the plan of the others finds the gate open, as a late one.
 *
 * A note of our own name that is not ours is another machine's: hold, and stop at the third time,
 * or when it has stopped for us. It is best looked for before we write ours again.
 *
 * Source:     design, "Several masters".
 * Units:      milliseconds of a clock that only goes forward.
 * Ownership:  the struct holds what it knows; names are borrowed. Texts of a verdict are its own.
 * Errors:     gate_start: ERR_USAGE for a setting that makes no sense. The rest decides.
 */
#pragma once

#include "plan/gate_note.h"
#include "plan/schema.h"

enum { GATE_NAMES_MAX = 100 };

struct gate_settings {
	struct gate_note self;    /* what we say; phase, start and beat are of the last time */
	const char *const *names; /* all who take part, this node too */
	size_t n_names;
	size_t n_new; /* members of the new cluster; 0: n_names */
	size_t n_old; /* members that the old one had; 0: n_new */
	enum plan_missing missing;
	unsigned fresh_ms; /* 0: 60,000 */
};

enum gate_heard { GATE_NOT_HEARD, GATE_NOTHING, GATE_NOTE };

struct gate_member {
	const char *name;
	enum gate_heard heard; /* in this round */
	struct gate_note note;
	bool seen;          /* `note` is of some round */
	int64_t heard_ms;   /* when it was read */
	bool changed;       /* it was seen to change */
	int64_t changed_ms; /* it was written then or later */
};

enum gate_verdict { GATE_HOLD, GATE_CONFIRM, GATE_RELEASE, GATE_STOP };

struct gate {
	struct gate_settings settings;
	struct gate_member members[GATE_NAMES_MAX];
	size_t own;
	size_t rivals; /* times that our own note was another machine's */
	int64_t rival_ms;
	char rival[256]; /* its hardware */
};

struct gate_decision {
	enum gate_verdict verdict;
	size_t ready, need; /* who counts, and how many it takes */
	char text[512];     /* why, for people */
	char against[65];   /* of GATE_STOP: the digest we differ from; empty: none */
};

int gate_start(struct gate *gate, const struct gate_settings *settings, struct err *e);

void gate_begin(struct gate *gate);
void gate_hear(struct gate *gate, size_t i, const struct gate_note *note, int64_t now_ms);
void gate_hear_nothing(struct gate *gate, size_t i); /* surely: there is no such object */
void gate_decide(struct gate_decision *decision, struct gate *gate, int64_t now_ms);

size_t gate_need(size_t n_old, size_t n_new);
