/* target/commit.h - from the old state of a disk to the new one, with one instant between them
 *
 *   commit_begin       journal `intent`; what an earlier attempt staged is gone
 *   commit_stage_..    what is new, beside what is old, on the same file systems
 *   commit_prepare     everything synced, dropped from memory and read again; `prepared`
 *   commit_go          fence; directories change places; files; the fence back in: `committed`
 *   commit_resume      on what a journal says: commit_go again, or the rest of a rollback
 *   commit_rollback    the same items backwards; what was new is kept aside
 *   commit_abandon     before commit_go: staged things are gone, the journal says so
 *
 * Cut the power anywhere: the disk boots into the old state, or etcd does not start, or into the
 * new state.  Each step looks what is there before it acts, so it can be done again: a file by
 * its SHA-256, a directory by its inode.  What is neither old nor new was changed by somebody
 * else and is left alone, with an error that names it.
 *
 * Where things lie:
 *
 *   DATA/.etcd-rescue/              staged directories, beside `member`; gone afterwards
 *   DATA/member.before-<8 of id>    the old member
 *   DATA/member.rolled-back-<8>     the new one, after a rollback
 *   ASIDE/member.before-<8 of id>   the same, of what did not fit twice
 *   STATE/stage/<n>                 staged files; when their place is another file system, one
 *                                   directory above it, ".NAME.etcd-rescue-<n>", so never where
 *                                   a kubelet reads
 *   STATE/before-<8 of id>/PATH     old files
 *   STATE/rolled-back-<8>/PATH      new files, after a rollback
 *
 * Nothing is deleted but what was staged and never committed.  A journal that says `committed`
 * stays until the next one begins to commit: an interrupted or abandoned attempt does not hide
 * it.  What is prepared may be abandoned, too; commit_go is where it begins to count.
 *
 * Source:     design of the commit protocol; renameat2(2), fsync(2), sync(2).
 * Units:      bytes.
 * Ownership:  the commit borrows its roots and texts; everything else lives in the arena.
 * Errors:     ERR_DECLINED: an immutable file, a place that changed meanwhile; ERR_SPACE,
 *             ERR_IO, ERR_NOTFOUND.  commit.changed says whether the target was touched.
 */
#pragma once

#include "base/event.h"
#include "base/span.h"
#include "target/digest.h"
#include "target/journal.h"

/* A file system that takes part. */
struct commit_root {
	const char *device; /* "UUID=.."; "": that of the journal, which comes first */
	const struct root *root;
};

struct commit_place {
	const char *device, *path;
};

struct commit {
	struct arena *arena;
	const struct listener *listener;
	const struct commit_root *roots;
	size_t n_roots;
	const char *state; /* the state directory, below the first root */
	bool clear_immutable;
	bool whole_machine; /* we are the image: all caches of the kernel may be dropped */
	struct journal journal;
	/* Of staged files, so that commit_prepare reads them once only, to compare. */
	const struct digest_known *known;
	size_t n_known;
	bool changed; /* something of the old has been touched since commit_go or rollback began */
	/* Asked before each step until `prepared`; NULL: never stops. */
	int (*stopped)(void *ctx, struct err *e);
	/* Asked in a rollback when etcd is fenced, before any directory moves: is nobody using
	 * them any more?  An error takes the fence away again, and the journal is as before. */
	int (*idle)(void *ctx, struct err *e);
	/* Asked before every single change of a commit or rollback; for tests. */
	int (*watch)(void *ctx, const char *what, struct err *e);
	void *ctx;
	struct journal left; /* what an interrupted attempt says it staged; else JOURNAL_NONE */
};

/* Nobody else works on this disk until `held` is closed, or the program ends: a lock on the state
 * directory below `top`, which is made.  ERR_DECLINED when somebody does: commit_is_held.  Before
 * commit_open, whose answer counts only then. */
int commit_hold(struct root *held, const struct root *top, const char *state, struct err *e);
bool commit_is_held(const struct err *e);

/* Fills commit->journal; phase JOURNAL_NONE when there is none.  JOURNAL_INTENT when there is
 * nothing but an interrupted attempt. */
int commit_open(struct commit *c, struct err *e);

/* `about` says everything but phase and items. */
int commit_begin(struct commit *c, const struct journal *about, struct err *e);

/* A directory to be filled: *dir is a private directory on the file system of `place`
 * ("var/lib/etcd", the data directory, which is made when it is missing), `*inside` its path
 * below that root.  Empty the first time; the same `place` gives the same directory. */
int commit_stage_directory(struct root *dir, const char **inside, struct commit *c,
	const struct commit_place *place, struct err *e);

/* `staged`, below the same root and inside what commit_stage_directory gave, is to stand at
 * `place`.  Whether place is a mount's top is found out here.  Owner, mode, labels and ACLs of an
 * old directory of the same name are carried over to it and, name by name, to what is in it. */
int commit_add_directory(
	struct commit *c, const struct commit_place *place, const char *staged, struct err *e);

/* The same where old and new do not fit on one file system: `staged` is on the other one, that of
 * `aside`, in what commit_stage_directory gave there; the old one is copied beside it at once, and
 * goes there for good with the commit. */
int commit_add_moved(struct commit *c, const struct commit_place *place, const char *staged,
	const struct commit_place *aside, struct err *e);

/* A directory is to go away: it gets the old one's name, and nothing takes its place, which may
 * be taken by others afterwards.  What is in a mount's own top goes the same way.  Where there is
 * none, a rollback takes away what others have put there since. */
int commit_add_gone(struct commit *c, const struct commit_place *place, struct err *e);

/* Bytes of a tree on its file system; 0: there is none. */
int commit_size(
	uint64_t *bytes, const struct commit *c, const struct commit_place *place, struct err *e);

/* Files: new content, or gone.  `like` (may be NULL) has the metadata of one that is not there. */
struct commit_file {
	struct commit_place place;
	struct span content;
	bool remove;
	const char *like;
	unsigned mode; /* of one that is not there and has no like */
	bool fence;    /* without it etcd does not start */
	bool passing;  /* the first boot takes it away again: may be gone afterwards */
	bool changing; /* the first boot may write to it: whatever it says then is as it should */
	/* Waits at this path below the journal's top, inside STATE, while its place stays empty;
	 * the first boot moves it there.  NULL: in place with the commit. */
	const char *held;
};
int commit_add_file(struct commit *c, const struct commit_file *file, struct err *e);

/* A fence for etcd as a service: a drop-in that keeps it from starting. */
int commit_add_dropin(
	struct commit *c, const struct commit_place *place, struct span content, struct err *e);

int commit_prepare(struct commit *c, struct err *e);
int commit_go(struct commit *c, struct err *e);
int commit_abandon(struct commit *c, struct err *e);
int commit_resume(struct commit *c, struct err *e);
int commit_rollback(struct commit *c, struct err *e);

/* Is everything what the journal says?  ERR_DECLINED names the first that is not: then neither a
 * commit nor a rollback would begin. */
int commit_check(const struct commit *c, struct err *e);

/* Is somebody holding the database of an item's directory?  `*what` names it. */
int commit_in_use(const char **what, const struct commit *c, struct err *e);

/* Are all new things in place, byte by byte?  For the second boot; ERR_MISMATCH names what is
 * not.  A member that etcd has been started on since is no error: `*served` says so.  Files that
 * changed since then are none either and told as warnings, but for what holds etcd back. */
int commit_verify(bool *served, const struct commit *c, struct err *e);

/* The old state, once the new one serves, and what rollbacks kept: deleted, bytes freed.
 * commit_old_size deletes nothing, and tells how much it would be. */
int commit_forget(uint64_t *freed, struct commit *c, struct err *e);
int commit_old_size(uint64_t *bytes, struct commit *c, struct err *e);
