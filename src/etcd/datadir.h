/* etcd/datadir.h - lay down a member directory so that it is there whole, or not at all
 *
 *   etcd_datadir_begin    checks the target, makes a staging directory beside it
 *   (caller)              fills dir.db, positioned anywhere, with the finished database
 *   etcd_datadir_prepare  WAL and .snap; fsync of every file and directory
 *   etcd_datadir_publish  rename into place, fsync of what holds the new names
 *   etcd_datadir_keep     from here on abort does nothing
 *   etcd_datadir_abort    takes everything back, published or not; use CLEAN_DATADIR
 *
 *   <data-dir> 0700 / member 0700 / snap 0700 / db 0600, 0000000000000001-<N>.snap 0600
 *                                 / wal  0700 / 0000000000000000-0000000000000000.wal 0600
 *
 * A missing data directory is staged as its sibling and renamed in one step; into an
 * existing empty one (or a volume's root with just lost+found) only `member` is renamed.
 * A WAL directory elsewhere is renamed first and taken back when the second rename fails;
 * a power cut between the two leaves that directory alone, which nothing starts on.
 * Several members: prepare them all, publish them all, keep them all.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (Restore), 3.5.16.
 * Units:      bytes.
 * Ownership:  the struct owns its descriptors and the staged tree until keep or abort; the
 *             config's texts must live as long.
 * Errors:     ERR_USAGE when the target exists or is not empty, with etcdutl's words;
 *             ERR_IO, ERR_SPACE.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "etcd/datadir_place.h"
#include "etcd/ident.h"

/* Somebody who is asked before and during what takes long; an error of his ends it. */
struct etcd_permit {
	int (*go_on)(void *ctx, struct err *e); /* NULL: always */
	void *ctx;
};

static inline int etcd_permit_ask(const struct etcd_permit *p, struct err *e)
{
	return p->go_on ? p->go_on(p->ctx, e) : 0;
}

struct etcd_datadir_config {
	int parent;           /* where relative paths begin; AT_FDCWD will do */
	const char *data_dir; /* missing parents are made, 0700, as etcdutl does */
	const char *wal_dir;  /* NULL: member/wal */
	bool owned;           /* give everything made, and data_dir, to uid and gid */
	uid_t uid;
	gid_t gid;
};

struct etcd_datadir {
	int db; /* member/snap/db, open for reading and writing, empty */
	int member, snap, wal;
	struct etcd_datadir_config config;
	struct etcd_datadir_place data, log; /* log: only with a WAL directory elsewhere */
};

#define NO_DATADIR                                                                                 \
	((struct etcd_datadir){ .db = -1,                                                          \
		.member = -1,                                                                      \
		.snap = -1,                                                                        \
		.wal = -1,                                                                         \
		.data = NO_PLACE,                                                                  \
		.log = NO_PLACE })
#define CLEAN_DATADIR __attribute__((cleanup(etcd_datadir_abort)))

/* Just the checks of begin, for a dry run. */
int etcd_datadir_check(const struct etcd_datadir_config *config, struct err *e);

int etcd_datadir_begin(
	struct etcd_datadir *dir, const struct etcd_datadir_config *config, struct err *e);

/* The same database for another member: reflink where the file system can, else a copy. */
int etcd_datadir_clone_db(struct etcd_datadir *to, const struct etcd_datadir *from,
	const struct etcd_permit *permit, struct err *e);

int etcd_datadir_prepare(struct etcd_datadir *dir, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e);
int etcd_datadir_publish(struct etcd_datadir *dir, struct err *e);
void etcd_datadir_keep(struct etcd_datadir *dir);
void etcd_datadir_abort(struct etcd_datadir *dir);

/* Prepare, publish and keep a single member. */
int etcd_datadir_finish(struct etcd_datadir *dir, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e);
