/* source/catalogue.h - what lies at a place, judged: which is the one to restore, and why not
 * the others
 *
 *   usable       newest first; of the same time the complete one, then the larger one
 *   passed over  what would be a database, but is empty, unfinished, encrypted, far smaller
 *                than those before it, dated in the future, half of a pair, an increment
 *   the rest     companions, sums, aliens: counted
 *
 * The catalogue asks nobody: it knows names, sizes and times of a listing.  Whether the
 * chosen one is good shows when it is read.
 *
 * Times in names go before times of files, which a copy changes.  A name without a zone is
 * taken as UTC; its age is taken from the file where both agree within a day.
 *
 * Source:     the layouts of source/catalogue_name.h.
 * Units:      bytes; seconds since 1970.
 * Ownership:  items point to the listing's objects; texts live in the arena.
 * Errors:     catalogue_make has none.  catalogue_choose: ERR_NOTFOUND nothing usable, with
 *             the reason of the newest; ERR_DECLINED several folders, or a pair that is not
 *             one; ERR_USAGE a name that several have.
 */
#pragma once

#include "source/catalogue_name.h"
#include "source/source.h"

struct catalogue_wish {
	const char *name;          /* exactly this one; NULL: the newest */
	int64_t before;            /* the newest older than this; 0: any */
	const char *node, *folder; /* only of these; NULL: any; folder "any": all may be mixed */
	bool allow_dirty;          /* halves of pairs, mixed ones, and what says it may be dirty */
	int64_t now;
};

struct catalogue_item {
	const struct source_object *object;
	struct catalogue_name name;
	const char *shown; /* name below the address, or the last part of it */
	int64_t time;      /* 0: not known */
	int64_t age_time;  /* the moment its age counts from; 0: not known */
	bool time_in_name;
	const char *why;   /* passed over; NULL: usable */
	const char *doubt; /* usable, but this must be said; NULL: nothing */
	bool refused;      /* `why` can be overridden with allow_dirty */
	bool suspected;    /* `why` is only a suspicion: who names it gets it */
	/* what goes with it; NULL: none */
	const struct source_object *partner, *events, *sidecar;
};

struct catalogue {
	struct catalogue_item *v; /* usable ones, then those passed over, then the rest */
	size_t n, n_usable, n_passed;
	const char *reason; /* why the first is the first; NULL: there is none */
	const char *doubt;  /* of the place: backups have stopped, folders are mixed; NULL */
	const char *mixed;  /* names of several folders; NULL: one, or one was asked for */
	bool cut;           /* the listing was longer than what could be read */
};

void catalogue_make(struct catalogue *c, struct arena *a, const struct source_objects *objects,
	const struct catalogue_wish *wish);

/* The first one, or in one line why there is none; `place` is what texts call the address. */
int catalogue_choose(const struct catalogue_item **item, const struct catalogue *c,
	const struct catalogue_wish *wish, const char *place, struct err *e);

/* "2 days", "10 minutes", for people. */
struct catalogue_span {
	char text[32];
};
struct catalogue_span catalogue_span(int64_t seconds);
