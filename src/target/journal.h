/* target/journal.h - how far a restore has come on this disk, and whose it is
 *
 *   STATE/journal   one JSON object and a line with its CRC-32C, replaced atomically
 *   STATE/intent    the same, of a restore that is being staged; the journal of the one
 *                   before stays what it is until the new one begins to commit
 *
 *   intent        something is being staged; nothing of the old has been touched
 *   prepared      all is staged, synced and read back, and may wait for others; still
 *                 nothing of the old has been touched
 *   committing    from here it only rolls forward
 *   committed     the new state is in place
 *   rolling-back  the way back has begun, and only goes on
 *   rolled-back   the old state is in place again
 *
 * STATE is `var/lib/etcd-rescue`, on the file system that holds the manifests; where /var is
 * another file system, `etc/etcd-rescue`.
 *
 * Source:     design of the commit protocol.
 * Units:      seconds since 1970, 0: not known.
 * Ownership:  texts and items live in the arena.
 * Errors:     ERR_NOTFOUND no journal; ERR_MISMATCH a CRC that is wrong; ERR_UNSUPPORTED a
 *             version from the future; ERR_FORMAT a key nobody knows, a path that leads
 *             outside: each with what to do; ERR_IO, ERR_SPACE.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "os/root.h"

enum { JOURNAL_ITEMS_MAX = 4096, JOURNAL_PLACES_MAX = 1024, JOURNAL_SIZE_MAX = 4 << 20 };

enum journal_phase {
	JOURNAL_NONE,
	JOURNAL_INTENT,
	JOURNAL_PREPARED,
	JOURNAL_COMMITTING,
	JOURNAL_COMMITTED,
	JOURNAL_ROLLING_BACK,
	JOURNAL_ROLLED_BACK,
};

enum journal_kind {
	JOURNAL_DIRECTORY, /* changed places with what is staged, by RENAME_EXCHANGE */
	JOURNAL_CONTENTS,  /* a mount's own top: what is in it moves, one name after the other */
	JOURNAL_MOVED,     /* a directory that does not fit twice: commit_moved.c */
	JOURNAL_FILE,
	JOURNAL_FENCE,  /* a file without which etcd does not start: first away, last back in */
	JOURNAL_DROPIN, /* a file with which etcd does not start: first in, last away */
};

struct journal_item {
	enum journal_kind kind;
	const char *device; /* "UUID=.."; "": the file system of the journal */
	const char *path;   /* below its top: "var/lib/etcd/member"; "": the top */
	const char *staged; /* the new one until it is in place: of a file below the journal's
			       top when it begins with STATE, else below that of `path`; NULL:
			       `path` is to go away (of a mount's top: an empty one) */
	const char *kept;   /* the old one afterwards; NULL: there was none.  Of files and
			       fences below the journal's top; a drop-in's own content */
	bool existed;       /* of a drop-in: its directory; a directory that did not and has nothing
			       staged: what comes to be there goes with a rollback */
	uint64_t old_inode, new_inode; /* of directories: which is which after a power cut */
	const char *elsewhere;      /* of what is moved: the file system of `staged` and `kept` */
	const char *before, *after; /* SHA-256: of a file; of a directory over all that is in
				       it (target/digest.h); NULL: none */
	const char *held; /* below STATE: a new file or fence waits here, and `path` is away, until
			     the first boot puts it in place; NULL: it is in place at once */
	bool passing;     /* the first boot takes it away again (etcd-rescue finish) */
	bool changing;    /* the first boot may write to it: any content is the new one then */
};

/* A directory that is nothing but ours, or a thing that was immutable: `flags` as of
 * ioctl_iflags(2), taken away before the commit and given back after it. */
struct journal_place {
	const char *device, *path;
	unsigned flags;
};

struct journal {
	enum journal_phase phase;
	const char *plan_id;     /* SHA-256 of the resolved plan */
	const char *plan_digest; /* SHA-256 of what was said, without its generation */
	uint64_t generation;
	const char *version; /* of the program that wrote it */
	const char *layout, *node, *machine;
	const char *source, *snapshot_sha256; /* `source` is shown, without secrets */
	const char *token, *cluster_id;
	int64_t began, changed;
	bool forgotten; /* what was there before has been deleted */
	struct journal_item *items;
	size_t n_items;
	struct journal_place *stages; /* directories with what is staged */
	size_t n_stages;
	struct journal_place *locked; /* what had flags */
	size_t n_locked;
};

const char *journal_phase_word(enum journal_phase phase);
const char *journal_kind_word(enum journal_kind kind);

/* `state` is the state directory itself; `name` is JOURNAL_NAME or JOURNAL_INTENT_NAME. */
#define JOURNAL_NAME        "journal"
#define JOURNAL_INTENT_NAME "intent"
int journal_read(struct journal *j, struct arena *a, const struct root *state, const char *name,
	struct err *e);
int journal_write(
	const struct journal *j, const struct root *state, const char *name, struct err *e);

/* The parser and the printer. */
int journal_parse(struct journal *j, struct arena *a, struct str text, struct err *e);
int journal_print(struct buf *out, const struct journal *j, struct err *e);
