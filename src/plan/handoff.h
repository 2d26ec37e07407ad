/* plan/handoff.h - from the image to the machine's own disk: which way, and why
 *
 *   firmware   BootNext of the target's own entry, then a reset         UEFI only
 *   kexec      the target's kernel as its own boot loader would start it
 *   flag       "done" put to the report address, where boot.ipxe looks; then a reset
 *   halt       a banner, and the shell
 *
 * A rung that cannot be, or was tried and led back here, gives way to the next.  A try is counted
 * on the target before it is made; where it cannot be counted nothing is restarted.  Whoever comes
 * back within half an hour goes one rung down; after the third round only halt is left.  When the
 * target ran since, the last rung worked and is taken again.
 *
 *   handoff_find     /boot and ESP of a target
 *   handoff_prepare  decides, counts, writes BootNext or loads the kernel or puts the flag
 *   handoff_act      does it, once everything is unmounted
 *
 * Source:     design of the hand-off; os/efivar.h, os/kexec.h, target/boot_entry.h.
 * Units:      seconds since 1970.
 * Ownership:  texts live in the arena, roots are borrowed.
 * Errors:     handoff_prepare: ERR_USAGE for a rung that is asked for by name and cannot be;
 *             else none, since halt is always left: each step's `why` says what was found.
 */
#pragma once

#include "base/event.h"
#include "plan/handoff_ladder.h"
#include "plan/schema.h"
#include "plan/target.h"
#include "target/boot_entry.h"

struct handoff_place {
	struct boot_roots roots;      /* what boot_entry_find looks into */
	const struct block_part *esp; /* NULL: none */
	const char *esp_name;         /* "sda1" */
	const char *esp_why;          /* why there is none */
	struct root running;          /* of the target: where etc is; borrowed */
};

struct handoff_from {
	const struct root *machine; /* sys, dev and proc */
	const struct handoff_place *place;
	const struct root *state; /* the journal's directory, to be written; NULL: not there */
	enum plan_handoff choice;
	enum handoff_rung
		only;       /* a person's word: this rung alone; HANDOFF_NONE: as the plan says */
	const char *report; /* the plan's; NULL: none */
	const char *proxy;  /* as in net/http.h */
	int64_t now;        /* 0: not known */
	bool dry_run;
	const struct listener *listener;
};

struct handoff {
	enum handoff_rung rung; /* what handoff_act does */
	const char *text;       /* in one line, for people: "starts debian (Boot0003) of sda1" */
	struct handoff_steps steps;
	unsigned round; /* 1 to 3; 0: nothing is restarted */
};

/* Of what plan_target found; `t->volume` may be NULL (a tree that was mounted already: then /boot
 * and the ESP are as they are mounted below it). */
void handoff_find(struct handoff_place *place, struct arena *a, const struct plan_target *t,
	const struct root *root, const struct target_volumes *volumes);

/* With `dry_run` nothing is written or loaded, and h says what would be. */
int handoff_prepare(
	struct handoff *h, struct arena *a, const struct handoff_from *from, struct err *e);

/* Returns for stay and halt, where h->text is the banner's, and on failure. */
int handoff_act(const struct handoff *h, struct err *e);

/* The banner of halt, several lines. */
const char *handoff_banner(struct arena *a, const struct handoff *h);
