/* plan/feed.h - a download, unwrapped, as the one stream a restore or a file is made of
 *
 *   source -> (hash of what came) -> unwrap -> database -> (hash of the database) -> reader
 *
 * The reader sees the end only after everything behind the database was read and every
 * checksum of the wrappings was right, and after the SHA-256 that was asked for, or that lay
 * beside it, fits either what came, or the database with its trailer, or without.
 *
 * What else is in an archive goes to whoever wants it: companions are kept in memory, the
 * database of the events is handed to `events` in the middle of a read.
 *
 * Progress is told here, in bytes that came, since only their number is known beforehand.
 *
 * Source:     source/unwrap.h.
 * Units:      bytes.
 * Ownership:  feed_open takes the stream over; feed_close closes all.  Companions live in
 *             the arena.  The feed does not move while it is open.
 * Errors:     those of the source and of source/unwrap.h; ERR_MISMATCH another SHA-256;
 *             ERR_DECLINED when `stopped` says so.
 */
#pragma once

#include "codec/sha256.h"
#include "source/unwrap.h"

struct feed_settings {
	const char *name;             /* of what comes, for texts */
	const char *node;             /* whose database; NULL: the only one */
	uint64_t size;                /* of what comes; UINT64_MAX: not known */
	const char *wanted, *sidecar; /* SHA-256 in hex; NULL: none */
	const struct listener *listener;
	const char *step;
	struct arena *arena;
	/* NULL, or asked now and then: why to stop, as an error. */
	int (*stopped)(void *ctx, struct err *e);
	/* NULL: passed over.  May leave the stream unread. */
	int (*events)(void *ctx, const struct unwrap_entry *entry, struct err *e);
	void *ctx;
};

struct feed_companion {
	const char *name;
	struct span bytes;
	unsigned mode;
	struct feed_companion *next;
};

struct feed {
	struct feed_settings settings;
	struct unwrap_settings how;
	struct stream raw, counted;
	struct unwrap *unwrap;
	struct unwrap_entry entry; /* the database, once it has begun */
	struct feed_companion *companions;
	size_t n_companions;
	uint64_t came, told;
	bool began, ended, hashing;
	bool archived;                        /* the database has a name of its own inside */
	struct codec_sha256 came_sha, db_sha; /* db_sha: of all but the last 32 bytes */
	uint8_t held[CODEC_SHA256_SIZE];
	size_t n_held;
};

#define CLEAN_FEED __attribute__((cleanup(feed_close)))

int feed_open(
	struct feed *feed, const struct feed_settings *settings, struct stream *raw, struct err *e);
/* The database. */
struct stream feed_stream(struct feed *feed);
void feed_close(struct feed *feed);

/* `l` without its progress, for those who read a feed and would count once more. */
struct feed_hush {
	const struct listener *to;
};
struct listener feed_hush(struct feed_hush *hush, const struct listener *l);
