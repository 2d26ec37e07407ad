/* source/unwrap.h - the database in whatever it was packed in, in one pass
 *
 *   stream -> gzip zlib zstd xz bzip2 lz4 -> tar or zip -> the same again -> database
 *
 * What a thing is tells its content, not its name: a `.gz` that is bare is bare.  Of an
 * archive only what the table of unwrap_names.c allows is handed on: regular files with
 * harmless names.  Links, devices and all else are skipped aloud, `..` in a name refuses the
 * archive.
 *
 *   role        what                                           how
 *   DB          the database of the cluster                    a stream, of any size
 *   DB_EVENTS   the one of the events' own etcd                a stream
 *   COMPANION   manifests, certificates, kube resources,       bytes in memory, capped
 *               encryption configuration, what the backup
 *               says of itself
 *
 * A thing that is no archive gives one database and the end.  One pass cannot know at the
 * first database that a second one follows: WHAT WAS READ COUNTS ONLY WHEN unwrap_next HAS SAID
 * THE END.  It does so after the whole input was read and every checksum of the wrappings was
 * right; a cut input is an error, never an early end.  An archive with databases of several
 * nodes and no node chosen is refused with their names.
 *
 *   unwrap_open(&u, &settings, &in, e)
 *   while (!(bad = unwrap_next(&entry, u, e)) && entry.role != UNWRAP_END)
 *           DB: read entry.stream to its end (or not: the rest is passed over)
 *           COMPANION: keep entry.bytes
 *   unwrap_close(u)
 *
 * Source:     RFC 1950, 1952, 8878; xz, bzip2 and LZ4 frame formats; tar and zip through
 *             libarchive; layouts as backups of OpenShift, CSM, kOps, k3s, ICP, kube-up.
 * Units:      bytes; seconds since 1970.
 * Ownership:  `in`, settings and their texts are borrowed and outlive the unwrap; names and
 *             companions live in settings->arena, whose limit leaves UNWRAP_ARENA for them;
 *             a database's stream lives until the next call and need not be closed.
 * Errors:     ERR_FORMAT damaged, cut, or nothing that is known (says what it looks like);
 *             ERR_UNSUPPORTED encrypted, or wants too much memory; ERR_SPACE past a cap;
 *             ERR_NOTFOUND no database, or none of this node; ERR_DECLINED several; and
 *             those of `in`.
 */
#pragma once

#include "base/arena.h"
#include "base/event.h"
#include "base/span.h"
#include "base/stream.h"

enum {
	UNWRAP_COMPANION_MAX = 4 << 20, /* one of them */
	UNWRAP_COMPANIONS_MAX = 64 << 20,
	UNWRAP_ENTRIES_MAX = 20000, /* of all archives together */
	UNWRAP_DEPTH_MAX = 8,       /* wrappings in each other */
	UNWRAP_MEMORY = 36 << 20,   /* of a decompressor: xz -8, zstd up to 32 MiB of window */
	UNWRAP_ARENA = UNWRAP_COMPANIONS_MAX + (32 << 20),
};

enum unwrap_role { UNWRAP_END, UNWRAP_DB, UNWRAP_DB_EVENTS, UNWRAP_COMPANION };

struct unwrap_settings {
	const char *name;    /* of the thing, for texts and to tell events from main; no secrets */
	const char *node;    /* whose database, where an archive has one a node; NULL: not said */
	bool companions;     /* an archive of companions alone will do: the half of a pair */
	const char *entry;   /* exactly this name inside; NULL: found by the rules */
	uint64_t db_max;     /* a longer database is refused; 0: 64 GiB */
	size_t memory;       /* for a decompressor; 0: UNWRAP_MEMORY */
	struct arena *arena; /* for names and companions */
	const struct listener *listener;
};

struct unwrap_entry {
	enum unwrap_role role;
	const char *name;     /* in its archive: "etcd-backup-../etcd-dump.bin"; else settings' */
	const char *inside;   /* the archive in the archive it was in; NULL: the outer one */
	const char *node;     /* from "NODE/assets/backup/", NODE.tgz; NULL: does not say */
	const char *wrapping; /* "gzip, tar"; "" for a bare database */
	uint64_t size;        /* UINT64_MAX: not told before its end */
	int64_t modified;     /* 0: not told */
	unsigned mode;        /* permissions only; 0 where there is no archive */
	struct span bytes;    /* COMPANION */
	struct stream stream; /* DB, DB_EVENTS */
};

struct unwrap;

int unwrap_open(struct unwrap **unwrap, const struct unwrap_settings *settings,
	const struct stream *in, struct err *e);

/* The next one; role UNWRAP_END behind the last.  After an error there is nothing more. */
int unwrap_next(struct unwrap_entry *entry, struct unwrap *unwrap, struct err *e);

/* After ERR_NOTFOUND for want of the node's own: the one database that was there, for
 * settings->entry of another try; NULL where there was none or more than one. */
const char *unwrap_passed(const struct unwrap *unwrap);

void unwrap_close(struct unwrap *unwrap);
