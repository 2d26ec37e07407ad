#include "plan/handoff.h"

#include <fcntl.h>
#include <string.h>

#include "os/efivar.h"
#include "os/file.h"
#include "os/kexec.h"
#include "target/file.h"

#define RECORD "handoff"

/* 2024: a clock before it was never set. */
#define CLOCK_FLOOR ((int64_t)1704067200)

enum { RECORD_MAX = 4096 };

static const struct root *state_root(const struct handoff_from *from)
{
	return from->place->site->roots[0].root;
}

/* What is not there or not of this plan counts for nothing. */
static void read_past(struct handoff_past *past, struct arena *a, const struct handoff_from *from)
{
	CLEAN_BUF struct buf text = BUF(RECORD_MAX);
	const struct site *site = from->place->site;
	const char *path = arena_print(a, "%s/" RECORD, site->state);
	struct handoff_past found = { 0 };
	struct str line, key, rest;
	struct err none = { 0 };
	uint64_t number;
	bool same = false;

	*past = found;
	if (file_read(&text, state_root(from), path, &none))
		return;
	rest = buf_text(&text);
	while (str_next(&line, &rest, '\n')) {
		if (!str_word(&key, &line))
			continue;
		const struct str value = str_trim(line);
		if (str_is(key, "plan"))
			same = str_is(value, from->plan_id ? from->plan_id : "-");
		else if (str_is(key, "rung"))
			found.rung = handoff_rung_of(arena_copy(a, value));
		else if (str_is(key, "tries") && str_u64(&number, value, 10, 1000))
			found.tries = (unsigned)number;
		else if (str_is(key, "at") && str_u64(&number, value, 10, INT64_MAX))
			found.at = (int64_t)number;
	}
	if (!same)
		return;
	found.alive = handoff_alive(a, site, from->now);
	*past = found;
}

static int count(
	const struct handoff_from *from, enum handoff_rung rung, unsigned round, struct err *e)
{
	const struct site *site = from->place->site;
	CLEAN_BUF struct buf text = BUF(RECORD_MAX);
	CLOSE_FD int dir = -1;
	const int64_t at = from->now >= CLOCK_FLOOR ? from->now : 0;

	if (from->dry_run)
		return 0;
	if (!site->writable)
		return err_set(e, ERR_BUG, "the disk is not open for writing");
	if (target_make_directories(state_root(from), site->state, 0700, e) ||
		root_open_at(&dir, state_root(from), site->state,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e) ||
		buf_print(&text, e, "plan %s\nrung %s\ntries %u\nat %jd\n",
			from->plan_id ? from->plan_id : "-", handoff_rung_word(rung), round,
			(intmax_t)at) ||
		file_replace(dir, RECORD, buf_span(&text), 0600, e))
		return err_wrap(
			e, "the try cannot be counted on the disk, so nothing is restarted");
	return 0;
}

static struct kexec_part part_of(const struct boot_file *f)
{
	return (struct kexec_part){ f->root, f->path, f->at, f->len };
}

static int load(const char **text, struct arena *a, const struct handoff_from *from, struct err *e)
{
	struct kexec_part initrds[BOOT_INITRDS_MAX];
	struct boot_entry entry;

	if (boot_entry_find(&entry, a, &from->place->roots, e) || kexec_possible(from->machine, e))
		return e->code;
	const struct kexec_part kernel = part_of(&entry.kernel);
	for (size_t i = 0; i < entry.n_initrds; i++)
		initrds[i] = part_of(&entry.initrds[i]);
	*text = arena_print(a, "starts %s by kexec: \"%s\" of %s, with \"%s\"", kernel.path,
		entry.title, entry.origin, entry.options);
	if (from->dry_run)
		return 0;
	if (kexec_load(&kernel, initrds, entry.n_initrds, entry.options, e))
		return e->code;
	return kexec_loaded(from->machine)
		       ? 0
		       : err_set(e, ERR_IO, "%s: was taken, and is not loaded", kernel.path);
}

/* A rung that cannot be leaves nothing behind; a try is counted once it is sure to be made. */
static int prepare(const char **text, struct arena *a, const struct handoff_from *from,
	enum handoff_rung rung, struct err *e)
{
	switch (rung) {
	case HANDOFF_FIRMWARE:
		return handoff_firmware(text, a, from, e);
	case HANDOFF_KEXEC:
		return load(text, a, from, e);
	case HANDOFF_FLAG:
		return handoff_flag(text, a, from, e);
	case HANDOFF_POWEROFF:
		*text = "switches the machine off";
		return 0;
	case HANDOFF_STAY:
		*text = "stays in the image, as the plan says";
		return 0;
	default:
		*text = "halts: nothing of this leads to the disk by itself";
		return 0;
	}
}

static bool restarts(enum handoff_rung rung)
{
	return rung == HANDOFF_FIRMWARE || rung == HANDOFF_KEXEC || rung == HANDOFF_FLAG;
}

/* Counted first, so that a power cut in between cannot hide a try. */
static int take(struct handoff *h, struct arena *a, const struct handoff_from *from, size_t i,
	struct err *e)
{
	struct handoff_step *step = &h->steps.v[i];
	struct handoff_from rehearsal = *from;

	rehearsal.dry_run = true;
	if (prepare(&h->text, a, &rehearsal, step->rung, e))
		return e->code;
	if (!from->dry_run && restarts(step->rung) &&
		(count(from, step->rung, h->round, e) || prepare(&h->text, a, from, step->rung, e)))
		return e->code;
	h->rung = step->rung;
	step->state = HANDOFF_CHOSEN;
	step->why = h->text;
	return 0;
}

/* A person's word: nothing is tried in its place, and a new series of rounds begins. */
static int take_only(
	struct handoff *h, struct arena *a, const struct handoff_from *from, struct err *e)
{
	h->steps = (struct handoff_steps){ .n = 1, .v[0].rung = from->only };
	h->round = restarts(from->only);
	return take(h, a, from, 0, e) ? err_wrap(e, "%s", handoff_rung_word(from->only)) : 0;
}

int handoff_prepare(
	struct handoff *h, struct arena *a, const struct handoff_from *from, struct err *e)
{
	struct handoff_past past;

	*h = (struct handoff){ .rung = HANDOFF_HALT, .text = "halts" };
	if (from->only)
		return take_only(h, a, from, e);
	handoff_ladder(&h->steps, from->choice, from->place && from->place->roots.uefi);
	past = (struct handoff_past){ 0 };
	if (from->place)
		read_past(&past, a, from);
	const struct handoff_begin begin = handoff_begin(&h->steps, &past, from->now);
	h->round = begin.round;
	h->round_why = begin.why;
	for (size_t i = begin.step; i < h->steps.n; i++) {
		struct err why = { 0 };
		if (!take(h, a, from, i, &why))
			break;
		h->steps.v[i].state = HANDOFF_CANNOT;
		h->steps.v[i].why = arena_copy(a, str_from(why.text));
		event_info(from->listener, "handoff", "%s: %s",
			handoff_rung_word(h->steps.v[i].rung), why.text);
	}
	if (!restarts(h->rung))
		h->round = 0;
	return 0;
}

int handoff_act(const struct handoff *h, struct err *e)
{
	switch (h->rung) {
	case HANDOFF_FIRMWARE:
	case HANDOFF_FLAG:
		return kexec_restart(e);
	case HANDOFF_KEXEC:
		return kexec_start(e);
	case HANDOFF_POWEROFF:
		return kexec_poweroff(e);
	default:
		return 0;
	}
}

const char *handoff_banner(struct arena *a, const struct handoff *h)
{
	static const char rule[] =
		"======================================================================";
	const char *text =
		arena_print(a, "%s\n  THIS MACHINE HAS NOT STARTED FROM ITS OWN DISK\n\n", rule);

	if (h->rung == HANDOFF_STAY)
		return arena_print(a,
			"%s  The plan says: stay in the image.\n  To go on: etcd-rescue "
			"handoff --to firmware, kexec or poweroff\n%s\n",
			text, rule);
	for (size_t i = 0; i < h->steps.n; i++) {
		const struct handoff_step *s = &h->steps.v[i];
		if (s->rung != HANDOFF_HALT && s->why)
			text = arena_print(
				a, "%s  %-9s %s\n", text, handoff_rung_word(s->rung), s->why);
	}
	return arena_print(a,
		"%s\n  Put the disk first in the boot order of the firmware, or take the medium "
		"out, and\n  switch the machine off and on.  Or try again by hand:\n"
		"    etcd-rescue handoff --to firmware | kexec\n%s\n",
		text, rule);
}
