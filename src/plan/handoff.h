/* plan/handoff.h - from the image to the machine's own disk: which way, and why
 *
 *   firmware   BootNext of the target's own entry, then a reset         UEFI only
 *   kexec      the target's kernel as its own boot loader would start it
 *   flag       "done" put to the report address, where the boot server looks; then a reset
 *   halt       a banner, and the shell
 *
 * A rung that cannot be, or was tried and led back here, gives way to the next.  A try is counted
 * on the target before it is made; where it cannot be counted nothing is restarted.  Whoever comes
 * back within half an hour goes one rung down; after the third round only halt is left.  When the
 * target ran since, the last rung worked and is taken again.
 *
 *   STATE/handoff   "plan ID", "rung firmware", "tries 1", "at 1795286400", one a line
 *
 *   handoff_find     /boot and ESP of a target
 *   handoff_prepare  decides, counts, writes BootNext or loads the kernel or puts the flag
 *   handoff_act      does it, once everything is unmounted
 *
 * Source:     design of the hand-off; os/efivar.h, os/kexec.h, target/boot_entry.h.
 * Units:      seconds since 1970.
 * Ownership:  texts live in the arena, roots are borrowed from the site.
 * Errors:     handoff_prepare: ERR_UNSUPPORTED when the one rung that is asked for by name cannot
 *             be; else none, since halt is always left: each step's `why` says what was found.
 */
#pragma once

#include "base/event.h"
#include "plan/handoff_ladder.h"
#include "plan/schema.h"
#include "plan/site.h"
#include "target/boot_entry.h"

struct handoff_place {
	const struct site *site;
	struct boot_roots roots; /* what boot_entry_find looks into */
	struct root esp_root;    /* of a mounted tree: opened here */
	const struct block *esp_disk;
	struct block_part esp_part; /* with its name in the table, which the kernel may not tell */
	const struct block_part *esp; /* NULL: none */
	const char *esp_why;          /* why there is none */
};

struct handoff_from {
	const struct root *machine;        /* sys, proc and etc */
	const struct handoff_place *place; /* NULL: for poweroff and stay alone */
	enum plan_handoff choice;
	enum handoff_rung
		only;        /* a person's word: this rung alone; HANDOFF_NONE: as the plan says */
	const char *report;  /* the plan's; NULL: none */
	const char *proxy;   /* as in net/http.h */
	const char *plan_id; /* of the journal; NULL: nothing was restored here */
	int64_t now;         /* 0: not known */
	bool dry_run;
	const struct listener *listener;
};

struct handoff {
	enum handoff_rung rung; /* what handoff_act does */
	const char *text;       /* in one line, for people */
	struct handoff_steps steps;
	unsigned round;        /* 1 to 3; 0: nothing is restarted */
	const char *round_why; /* NULL, or why the ladder begins where it does */
};

/* The site is open; for a hand-off in earnest, writable.  `machine` says whether it is UEFI. */
void handoff_find(struct handoff_place *place, struct arena *a, const struct site *site,
	const struct root *machine);
void handoff_find_close(struct handoff_place *place);

/* With `dry_run` nothing is written or loaded, and h says what would be. */
int handoff_prepare(
	struct handoff *h, struct arena *a, const struct handoff_from *from, struct err *e);

/* Returns for stay and halt, and when it fails. */
int handoff_act(const struct handoff *h, struct err *e);

/* The banner of halt and stay, several lines. */
const char *handoff_banner(struct arena *a, const struct handoff *h);

/* When the target last ran, by what a running system writes; 0: not known, or in the future. */
int64_t handoff_alive(struct arena *a, const struct site *site, int64_t now);

/* Rungs, for plan/handoff*.c alone: `*text` says what will be, the error why it cannot be. */
int handoff_firmware(
	const char **text, struct arena *a, const struct handoff_from *from, struct err *e);
int handoff_flag(
	const char **text, struct arena *a, const struct handoff_from *from, struct err *e);
