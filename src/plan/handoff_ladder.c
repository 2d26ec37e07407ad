#include "plan/handoff_ladder.h"

#include <string.h>

static const enum handoff_rung uefi_auto[] = { HANDOFF_FIRMWARE, HANDOFF_KEXEC, HANDOFF_FLAG,
	HANDOFF_HALT, HANDOFF_NONE };
static const enum handoff_rung uefi_firmware[] = { HANDOFF_FIRMWARE, HANDOFF_FLAG, HANDOFF_HALT,
	HANDOFF_NONE };
static const enum handoff_rung uefi_kexec[] = { HANDOFF_KEXEC, HANDOFF_FIRMWARE, HANDOFF_FLAG,
	HANDOFF_HALT, HANDOFF_NONE };
static const enum handoff_rung bios[] = { HANDOFF_KEXEC, HANDOFF_FLAG, HANDOFF_HALT, HANDOFF_NONE };
static const enum handoff_rung bios_firmware[] = { HANDOFF_FLAG, HANDOFF_HALT, HANDOFF_NONE };
static const enum handoff_rung poweroff[] = { HANDOFF_POWEROFF, HANDOFF_NONE };
static const enum handoff_rung stay[] = { HANDOFF_STAY, HANDOFF_NONE };

static const enum handoff_rung *order_of(enum plan_handoff choice, bool uefi)
{
	switch (choice) {
	case PLAN_HANDOFF_AUTO:
		return uefi ? uefi_auto : bios;
	case PLAN_HANDOFF_FIRMWARE:
		return uefi ? uefi_firmware : bios_firmware;
	case PLAN_HANDOFF_KEXEC:
		return uefi ? uefi_kexec : bios;
	case PLAN_HANDOFF_POWEROFF:
		return poweroff;
	case PLAN_HANDOFF_STAY:
		break;
	}
	return stay;
}

void handoff_ladder(struct handoff_steps *steps, enum plan_handoff choice, bool uefi)
{
	*steps = (struct handoff_steps){ 0 };
	for (const enum handoff_rung *r = order_of(choice, uefi); *r; r++)
		steps->v[steps->n++] = (struct handoff_step){ .rung = *r };
}

static size_t find(const struct handoff_steps *steps, enum handoff_rung rung)
{
	size_t i = 0;

	while (i < steps->n && steps->v[i].rung != rung)
		i++;
	return i;
}

static struct handoff_begin at_halt(struct handoff_steps *steps, const char *why)
{
	const size_t halt = find(steps, HANDOFF_HALT);

	for (size_t i = 0; i < halt && i < steps->n; i++) {
		if (steps->v[i].state != HANDOFF_TRIED)
			steps->v[i] =
				(struct handoff_step){ steps->v[i].rung, HANDOFF_CANNOT, why };
	}
	return (struct handoff_begin){ .step = halt, .why = why };
}

struct handoff_begin handoff_begin(
	struct handoff_steps *steps, const struct handoff_past *past, int64_t now)
{
	const size_t last = find(steps, past->rung);
	const bool known = now > 0 && past->at > 0 && now >= past->at;

	/* Nothing here restarts, or the plan says what is to be and leads nowhere else. */
	if (find(steps, HANDOFF_HALT) == steps->n)
		return (struct handoff_begin){ 0 };
	if (!past->rung || !past->tries)
		return (struct handoff_begin){ .round = 1 };
	if (past->at > 0 && past->alive > past->at)
		return (struct handoff_begin){ .step = last < steps->n ? last : 0,
			.round = 1,
			.why = "the disk has run since the last hand-off" };
	if (known && now - past->at > HANDOFF_SERIES_S)
		return (struct handoff_begin){ .round = 1,
			.why = "the last hand-off was more than a day ago" };
	if (past->tries >= HANDOFF_ROUNDS) {
		if (last < steps->n)
			steps->v[last] = (struct handoff_step){ past->rung, HANDOFF_TRIED,
				"led back to this image" };
		return at_halt(steps, "three rounds led back to this image");
	}
	if (known && now - past->at > HANDOFF_SOON_S)
		return (struct handoff_begin){ .round = past->tries + 1,
			.why = "the last hand-off was more than half an hour ago" };
	/* A clock that says nothing, or goes backwards, must not make a loop: as if it were soon.
	 */
	if (last + 1 >= steps->n)
		return (struct handoff_begin){ .round = past->tries + 1 };
	for (size_t i = 0; i <= last; i++)
		steps->v[i] = (struct handoff_step){ steps->v[i].rung, HANDOFF_TRIED,
			i == last ? "led back to this image"
				  : "an earlier round is past it already" };
	return (struct handoff_begin){ .step = last + 1, .round = past->tries + 1 };
}

static const char *const words[] = { NULL, "firmware", "kexec", "flag", "halt", "poweroff",
	"stay" };

const char *handoff_rung_word(enum handoff_rung rung)
{
	return words[rung];
}

enum handoff_rung handoff_rung_of(const char *word)
{
	for (size_t i = 1; word && i < sizeof words / sizeof *words; i++) {
		if (!strcmp(words[i], word))
			return (enum handoff_rung)i;
	}
	return HANDOFF_NONE;
}

const char *handoff_state_word(enum handoff_state state)
{
	static const char *const states[] = { "left", "tried", "cannot", "chosen" };

	return states[state];
}
