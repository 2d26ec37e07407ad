/* target/commit_part.h - what the files of a commit share: where things are, what they are, how
 * they move
 *
 * Every move here is one rename, link or unlink with a sync of the directories behind it, and
 * asks commit.watch first.
 *
 * Source:     target/commit.h.
 * Units:      bytes.
 * Ownership:  texts live in the commit's arena.
 * Errors:     as in target/commit.h.
 */
#pragma once

#include <sys/stat.h>

#include "target/commit.h"
#include "target/digest.h"

enum { COMMIT_PATH = 4096, COMMIT_NAMES_TRIED = 1000 };

#define COMMIT_SUFFIX ".etcd-rescue"
#define COMMIT_STAGE  ".etcd-rescue"

/* A path below the top of a file system. */
struct commit_spot {
	const struct root *root;
	const char *path;
};

enum commit_is {
	COMMIT_OLD,
	COMMIT_NEW,
	COMMIT_SAME,    /* old and new do not differ */
	COMMIT_MISSING, /* on the way from the one to the other, or fenced */
	COMMIT_GOING,   /* contents: the old are away, the new move in */
	COMMIT_OTHER,   /* somebody else's */
};

/* Where an item's things are; ERR_NOTFOUND when its file system is not among the roots. */
int commit_spot(struct commit_spot *spot, const struct commit *c, const char *device,
	const char *path, struct err *e);
int commit_at(struct commit_spot *spot, const struct commit *c, const struct journal_item *i,
	struct err *e);
int commit_staged_at(struct commit_spot *spot, const struct commit *c, const struct journal_item *i,
	struct err *e);
int commit_kept_at(struct commit_spot *spot, const struct commit *c, const struct journal_item *i,
	struct err *e);

/* Where a file waits for the first boot; and where a fence, which that has put in place, is while
 * a rollback is on its way. */
struct commit_spot commit_held_at(const struct commit *c, const struct journal_item *i);
struct commit_spot commit_released_at(const struct commit *c, const struct journal_item *i);

/* A directory that goes away. */
bool commit_is_gone(const struct journal_item *i);

/* STATE, opened; made first when `make`. */
int commit_state(struct root *state, const struct commit *c, bool make, struct err *e);

/* Into STATE/journal, with the time. */
int commit_save(struct commit *c, enum journal_phase phase, struct err *e);

/* The directory of a path, opened, and its last name. */
int commit_parent(int *dir, const char **name, struct commit_spot at, struct err *e);

/* Inode, without following a link: 0 when there is nothing. */
int commit_inode(uint64_t *inode, struct commit_spot at, struct err *e);
bool commit_exists(struct commit_spot at);

/* SHA-256 of a file; "" when there is none; "-" for what is no file. */
int commit_sum(char hex[DIGEST_HEX], struct commit_spot at, struct err *e);

int commit_look(
	enum commit_is *is, const struct commit *c, const struct journal_item *i, struct err *e);
int commit_other(const struct journal_item *i, struct err *e);

int commit_move(struct commit *c, struct commit_spot from, struct commit_spot to, unsigned flags,
	struct err *e);
int commit_drop(struct commit *c, struct commit_spot at, struct err *e); /* a file */

/* The file gets a second name; a copy where that is another file system.  Directories are made. */
int commit_second(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e);

/* One more item, of which device and path are set; and a name for what is old there. */
int commit_staging(const struct commit *c, struct err *e);
int commit_new_item(struct journal_item **item, struct commit *c, const struct commit_place *place,
	struct err *e);
int commit_free_name(struct journal_item *item, const struct commit *c, struct err *e);

/* NAME.rolled-back-<8>, the first that is free. */
int commit_rolled_back(
	struct commit_spot *to, struct commit *c, struct commit_spot at, struct err *e);

/* A move also to another file system: by commit_second and commit_drop there. */
int commit_carry(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e);

/* A move into place, whole at once also from another file system; NOREPLACE as `flags`. */
int commit_bring(struct commit *c, struct commit_spot from, struct commit_spot to, unsigned flags,
	struct err *e);

/* Two names on one mount can be renamed to each other. */
struct commit_mount {
	uint64_t id;
	bool top; /* of its file system, as it is mounted */
};
int commit_mount(struct commit_mount *mount, int fd, const char *path, struct err *e);

/* `in` and `at` change places by one exchange; where a file system knows none, by two renames, `at`
 * to `out`: etcd is fenced. */
int commit_swap(struct commit *c, struct commit_spot in, struct commit_spot at,
	struct commit_spot out, struct err *e);

/* A tree with its metadata, synced; what is at `to` is removed first. */
int commit_copy(struct commit *c, struct commit_spot from, struct commit_spot to, struct err *e);

/* DIRECTORY, CONTENTS, MOVED. */
bool commit_is_tree(const struct journal_item *i);
/* FENCE, DROPIN. */
bool commit_is_fence(const struct journal_item *i);

/* A path of ours near `at` and on its mount, but not in its directory, where a kubelet may read:
 * one above, ".NAME.etcd-rescue" and `suffix`. */
int commit_above(const char **path, struct commit *c, struct commit_spot at, const char *suffix,
	struct err *e);

/* A place that is free, or has this very content: STATE/rolled-back-<8>/PATH. */
int commit_aside(struct commit_spot *spot, struct commit *c, const struct journal_item *i,
	const char *sum, struct err *e);
const char *commit_short(const struct commit *c); /* 8 of the plan's id */

/* One item, forwards and backwards; each looks first, and may be done again. */
int commit_fence(struct commit *c, const struct journal_item *i, bool back, struct err *e);
int commit_unfence(struct commit *c, const struct journal_item *i, bool back, struct err *e);
int commit_put_file(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_file_back(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_directory(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_directory_back(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_gone(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_gone_back(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_moved(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_moved_back(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_contents(struct commit *c, const struct journal_item *i, struct err *e);
int commit_put_contents_back(struct commit *c, const struct journal_item *i, struct err *e);

/* Is this name in a mount's top none of etcd's? */
bool commit_is_ours(const char *name);

/* Immutable and append-only flags: taken away, given back. */
int commit_unlock(struct commit *c, struct err *e);
int commit_lock(struct commit *c, struct err *e);
/* The same at the end, when all is in place: what was staged behind them goes first. */
int commit_close(struct commit *c, struct err *e);
/* ERR_DECLINED, or noted in the journal when they may be cleared; `flags` of an open file. */
int commit_note_flags(
	struct commit *c, const char *device, const char *path, int fd, struct err *e);

/* All that is staged: gone. */
int commit_tidy(struct commit *c, const struct journal *j, struct err *e);
/* The same and its record, when all else is done: a failure is only told. */
void commit_tidy_after(struct commit *c);
/* The attempt becomes the restore of this disk. */
int commit_promote(struct commit *c, struct err *e);
int commit_drop_intent(const struct commit *c, struct err *e);
int commit_sync_all(const struct commit *c, struct err *e);

/* A tree that is ours, never through a link; nothing there is no error. */
int commit_remove(uint64_t *freed, struct commit_spot at, struct err *e);
int commit_measure(uint64_t *bytes, struct commit_spot at, struct err *e);

/* Owner, mode, labels of an old tree to a new one, name by name; `old` is -1: there is none,
 * `above` has owner and label then. */
int commit_like(int new, int old, int above, const char *name, struct err *e);
/* All files and directories of a tree, deepest first. */
int commit_sync_tree(struct commit_spot at, struct err *e);
