/* plan/handoff_ladder.h - the order of the ways out, and where to begin: no input, no output
 *
 *   plan says   UEFI                             BIOS
 *   auto        firmware, kexec, flag, halt      kexec, flag, halt
 *   firmware    firmware, flag, halt             flag, halt
 *   kexec       kexec, firmware, flag, halt      kexec, flag, halt
 *   poweroff    poweroff                         poweroff
 *   stay        stay                             stay
 *
 * Source:     design of the hand-off.
 * Units:      seconds since 1970.
 * Ownership:  values.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/schema.h"

enum handoff_rung {
	HANDOFF_NONE,
	HANDOFF_FIRMWARE,
	HANDOFF_KEXEC,
	HANDOFF_FLAG,
	HANDOFF_HALT,
	HANDOFF_POWEROFF,
	HANDOFF_STAY,
};

enum {
	HANDOFF_STEPS = 4,
	HANDOFF_ROUNDS = 3,
	HANDOFF_SOON_S = 30 * 60,     /* who is back so soon came back by itself */
	HANDOFF_SERIES_S = 24 * 3600, /* after so long it is another story */
};

enum handoff_state {
	HANDOFF_LEFT,  /* not needed: a rung above is taken */
	HANDOFF_TRIED, /* and it led back to the image */
	HANDOFF_CANNOT,
	HANDOFF_CHOSEN,
};

struct handoff_step {
	enum handoff_rung rung;
	enum handoff_state state;
	const char *why; /* NULL: nothing to say */
};

struct handoff_steps {
	struct handoff_step v[HANDOFF_STEPS];
	size_t n;
};

/* What the journal keeps of earlier tries. */
struct handoff_past {
	enum handoff_rung rung; /* the last one; HANDOFF_NONE: there was none */
	unsigned tries;
	int64_t at;    /* of the last; 0: not known */
	int64_t alive; /* when the target was last seen running by its own files; 0: not known */
};

struct handoff_begin {
	size_t step;     /* of the ladder: those before it are TRIED */
	unsigned round;  /* what this try will be counted as; 0: it is not counted */
	const char *why; /* a text without end of life; NULL */
};

/* All steps HANDOFF_LEFT, in order. */
void handoff_ladder(struct handoff_steps *steps, enum plan_handoff choice, bool uefi);

/* Where to begin; marks what was tried. */
struct handoff_begin handoff_begin(
	struct handoff_steps *steps, const struct handoff_past *past, int64_t now);

/* "firmware", "kexec", "flag", "halt", "poweroff", "stay"; and back, HANDOFF_NONE: no such word. */
const char *handoff_rung_word(enum handoff_rung rung);
enum handoff_rung handoff_rung_of(const char *word);
const char *handoff_state_word(enum handoff_state state);
