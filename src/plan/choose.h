/* plan/choose.h - which snapshot is read, and which one next when it turns out bad
 *
 *   choose_open    asks the place what is there and judges it (source/catalogue.h); what is
 *                  passed over on the way to the first one is said aloud
 *   choose_next    the best one that was not tried yet
 *   choose_again   after an error: is there another one to try?  Says so, too
 *
 * Only what is wrong with a snapshot itself leads to the next one, and only where none was
 * named: never a network that is down, a refused key or a full disk.
 *
 * An item that is a place of its own (a snapshot of a volume) is opened when its turn comes,
 * and what lies in it is judged in the same way.
 *
 * A SHA-256 that is wished for names the one whose sidecar has it; without sidecars the newest
 * are tried one after the other.
 *
 * Source:     design of the plan's key `snapshot`.
 * Units:      seconds since 1970.
 * Ownership:  borrows settings; texts and lists live in the arena.  CLEAN_CHOOSE closes.
 * Errors:     those of source/source.h and source/catalogue.h.
 */
#pragma once

#include "source/catalogue.h"

enum { CHOOSE_TRIES = 8 };

struct choose_wish {
	struct catalogue_wish catalogue;
	const char *sha256; /* NULL: any */
};

/* A place that was looked at. */
struct choose_place {
	struct source *source;
	struct source_settings settings;
	struct source_objects objects;
	struct catalogue catalogue;
	const char *shown; /* its address, for people */
};

struct choose {
	struct arena *arena;
	const struct listener *listener;
	struct choose_wish wish;
	struct choose_place place;
	struct choose_place inner; /* of the item, when that is a place; source NULL: none */
	const struct catalogue_item *item; /* what is to be read; NULL before choose_next */
	const char *reason;                /* why this one */
	const char *sidecar;               /* SHA-256 that lies beside it; NULL: none */
	size_t next;
	unsigned tries;
	bool only; /* no other will do */
};

#define CLEAN_CHOOSE __attribute__((cleanup(choose_close)))

/* `wish` with all that a plan says of the snapshot; `now` is this machine's clock. */
struct plan;
int choose_wish_of(struct choose_wish *wish, const struct plan *plan, struct err *e);

/* Looks and judges; chooses nothing yet. */
int choose_open(struct choose *c, struct arena *a, const struct source_settings *settings,
	const struct choose_wish *wish, struct err *e);
int choose_next(struct choose *c, struct err *e);

/* What choose_next says of those that are passed over, for who chooses nothing. */
void choose_tell(const struct choose *c);
bool choose_again(struct choose *c, struct err *e);

/* The bytes of an object of the place where the item lies. */
int choose_read(
	struct choose *c, struct stream *stream, const struct source_object *object, struct err *e);
void choose_close(struct choose *c);
