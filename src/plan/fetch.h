/* plan/fetch.h - one snapshot from a place to a file, proved before it gets its name
 *
 *   choose -> read -> unwrap -> hash, look at the pages, write -> trailer, whole tree -> name
 *
 * Into a file goes the database alone.  Into a directory goes all that belongs to it: the
 * database of the events, what else the archive holds, and the other half of a pair.
 *
 * What turns out bad is dropped, and the next best is taken (plan/choose.h).
 *
 * Source:     none.
 * Units:      bytes, revisions, entries of bucket `key`.
 * Ownership:  texts live in the arena of the choice.
 * Errors:     those of plan/choose.h, plan/feed.h, plan/stage.h and etcd/received.h; nothing
 *             is left behind then.
 */
#pragma once

#include "codec/sha256.h"
#include "plan/choose.h"
#include "plan/feed.h"
#include "plan/stage.h"

struct fetch_wish {
	const char *to; /* file; or with `whole` a directory; NULL: the snapshot's own name */
	bool whole;     /* into a directory, with all that belongs to it */
	bool replace;
	bool skip_hash; /* a copied member/snap/db will do */
	int (*stopped)(void *ctx, struct err *e);
	void *ctx;
};

struct fetch_database {
	const char *path; /* where it is now; NULL: there is none */
	uint64_t size, entries;
	int64_t revision;
	bool verified; /* by its trailer */
	uint8_t sha256[CODEC_SHA256_SIZE];
};

struct fetch_result {
	struct fetch_database main, events;
	const char *from;     /* address of the object */
	const char *inside;   /* name in its archive; NULL: it was none */
	const char *wrapping; /* "gzip, tar"; "": none */
	const char **others;  /* paths of what came along */
	size_t n_others;
	size_t n_left; /* companions that were seen and not asked for */
	uint64_t came; /* bytes over the wire */
	unsigned tries;
};

int fetch_run(struct fetch_result *result, struct choose *c, const struct fetch_wish *wish,
	struct err *e);

/* The same without giving it a name: for who wants to look at it twice and keep nothing.
 * `wish->to` says beside what; `path` opens it until fetch_let_go. */
struct fetch_held {
	struct stage stage;
	const char *path;
};

#define NO_HELD    ((struct fetch_held){ .stage = NO_STAGE })
#define CLEAN_HELD __attribute__((cleanup(fetch_let_go)))

int fetch_hold(
	struct fetch_held *held, struct choose *c, const struct fetch_wish *wish, struct err *e);
void fetch_let_go(struct fetch_held *held);

/* The chosen item as a feed, for who makes something else of it than a file: `extra` has
 * what a choice does not know (step, stopped, events). */
int fetch_feed(
	struct feed *feed, struct choose *c, const struct feed_settings *extra, struct err *e);

/* The same of another object of its place: the events' database beside it. */
struct source_object;
int fetch_object(struct feed *feed, struct choose *c, const struct source_object *object,
	const struct feed_settings *extra, struct err *e);

/* "snapshot_2026-11-20_180030.db": the name of an object as the name of a database. */
const char *fetch_name(struct arena *a, const char *object_name);
