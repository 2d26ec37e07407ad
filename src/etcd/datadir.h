/* etcd/datadir.h - lay down a member directory so that it is there whole, or not at all
 *
 *   etcd_datadir_begin    checks the target, makes a staging directory beside it
 *   (caller)              fills dir.db, positioned anywhere, with the finished database
 *   etcd_datadir_finish   WAL, .snap, fsync of every file and directory, rename, fsync
 *   etcd_datadir_abort    takes everything back; harmless after finish; use CLEAN_DATADIR
 *
 *   <data-dir> 0700 / member 0700 / snap 0700 / db 0600, 0000000000000001-<N>.snap 0600
 *                                 / wal  0700 / 0000000000000000-0000000000000000.wal 0600
 *
 * A missing data directory is staged as its sibling and renamed in one step; into an
 * existing empty one (or a volume's root with just lost+found) only `member` is renamed.
 * A WAL directory elsewhere is renamed first and taken back when the second rename fails;
 * a power cut between the two leaves that directory alone, which nothing starts on.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (Restore), 3.5.16.
 * Units:      bytes.
 * Ownership:  the struct owns its descriptors and the staged tree until finish or abort;
 *             the config's texts must live as long.
 * Errors:     ERR_USAGE when the target exists or is not empty, with etcdutl's words;
 *             ERR_IO, ERR_SPACE.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "etcd/ident.h"

struct etcd_datadir_config {
	int parent;           /* where relative paths begin; AT_FDCWD will do */
	const char *data_dir; /* missing parents are made, 0700, as etcdutl does */
	const char *wal_dir;  /* NULL: member/wal */
	bool owned;           /* give everything made to uid and gid */
	uid_t uid;
	gid_t gid;
};

enum { ETCD_DATADIR_PATH = 4096 };

struct etcd_datadir_place {
	int parent;                    /* directory that gets the new name; -1: none */
	char final[256], staging[256]; /* names below it */
};

struct etcd_datadir {
	int db;     /* member/snap/db, open for reading and writing, empty */
	int member; /* staged member/ */
	int wal;    /* staged WAL directory */
	int snap;   /* staged member/snap */
	struct etcd_datadir_config config;
	struct etcd_datadir_place data, log;
	int base;                             /* what made_parents are relative to */
	char made_parents[ETCD_DATADIR_PATH]; /* path whose last n_made parts we made */
	unsigned n_made;
	char made_wal_parents[ETCD_DATADIR_PATH];
	unsigned n_made_wal;
	bool done;
};

#define NO_DATADIR                                                                                 \
	((struct etcd_datadir){ .db = -1,                                                          \
		.member = -1,                                                                      \
		.wal = -1,                                                                         \
		.snap = -1,                                                                        \
		.base = -1,                                                                        \
		.data = { .parent = -1 },                                                          \
		.log = { .parent = -1 } })
#define CLEAN_DATADIR __attribute__((cleanup(etcd_datadir_abort)))

/* Just the checks of begin, for a dry run. */
int etcd_datadir_check(const struct etcd_datadir_config *config, struct err *e);

int etcd_datadir_begin(
	struct etcd_datadir *dir, const struct etcd_datadir_config *config, struct err *e);

/* The same database for another member: reflink where the file system can, else a copy. */
int etcd_datadir_clone_db(struct etcd_datadir *to, const struct etcd_datadir *from, struct err *e);

int etcd_datadir_finish(struct etcd_datadir *dir, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e);
void etcd_datadir_abort(struct etcd_datadir *dir);
