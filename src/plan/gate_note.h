/* plan/gate_note.h - what one master says of itself at the gate: the object ready/NAME
 *
 *	{"gate":1,"plan":"<hex>","generation":1,"ready":"<hex>","snapshot":"<hex>","token":"..",
 *	 "node":"m1","hardware":"..","phase":"ready","against":null,"start":"<hex>","beat":17}
 *
 *	ready       stands in the image, everything staged and verified, the old state intact
 *	released    has seen that the gate is open and begins to commit
 *	committed   has the new state; it will not come back with the old one
 *	handed-off  boots its own disk
 *	healthy     its etcd serves
 *	aside       does not restore, and will not come back with the old state either
 *	rolled-back has the old state again
 *	stopped     will not commit: another one, with the digest `against`, differs
 *
 * `start` is drawn anew by every process that speaks for a node and `beat` grows with each time
 * it does, so that a reader who sees them change knows, without any clock, that it is alive.
 *
 * Source:     this file.
 * Units:      none.
 * Ownership:  a note holds its texts.
 * Errors:     gate_note_parse: ERR_FORMAT for what is no note; ERR_UNSUPPORTED for one of a newer
 *             program.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum { GATE_NOTE_MAX = 16 << 10, GATE_NAME_MAX = 255 };

enum gate_phase {
	GATE_READY,
	GATE_RELEASED,
	GATE_COMMITTED,
	GATE_HANDED_OFF,
	GATE_HEALTHY,
	GATE_ASIDE,
	GATE_ROLLED_BACK,
	GATE_STOPPED,
};

struct gate_note {
	char plan[65]; /* digest of the resolved plan */
	uint64_t generation;
	char ready[65];    /* plan_ready_digest() */
	char snapshot[65]; /* SHA-256 of the database as fetched */
	char token[256];
	char node[GATE_NAME_MAX + 1];
	char hardware[256]; /* whatever tells this machine from others */
	enum gate_phase phase;
	char against[65]; /* of GATE_STOPPED; empty: none */
	char start[17];
	uint64_t beat;
};

int gate_note_parse(struct gate_note *note, struct span bytes, struct err *e);
int gate_note_print(struct buf *out, const struct gate_note *note, struct err *e);

/* "ready", "handed-off"; NULL is no phase. */
const char *gate_phase_word(enum gate_phase phase);

/* Does this phase mean that the node has the new state for good? */
bool gate_phase_is_committed(enum gate_phase phase);
