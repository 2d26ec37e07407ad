/* etcd/restore.h - a snapshot from a stream becomes one or several member directories
 *
 *   etcd_restore_run   checks the targets; one pass from the source into a staging
 *                      directory; trailer; structure; edits; WAL and .snap; fsync; rename
 *
 * For the machine that fetches first and decides later, the two halves can be had alone:
 * begin with etcd/datadir.h and etcd/copy.h, then etcd_restore_finish_db.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go, 3.5.16 and 3.6.12.
 * Units:      bytes, revisions.
 * Ownership:  the result's texts live in the arena.
 * Errors:     on any error nothing is left behind. ERR_USAGE for arguments and targets,
 *             ERR_MISMATCH for the trailer, ERR_FORMAT for the database.
 */
#pragma once

#include "etcd/copy.h"
#include "etcd/datadir.h"
#include "etcd/edit.h"

struct etcd_restore {
	struct etcd_restore_config ident;
	struct etcd_datadir_config place; /* of the first, or with all_members the parent */
	bool all_members;                 /* <place.data_dir>/<name> for every member */
	bool skip_hash_check;
	struct etcd_edits edits; /* its cluster is filled in */
	/* Asked between the phases too: copy, check, edits, further members, WAL, rename. */
	struct etcd_permit permit;
};

struct etcd_restore_result {
	const struct etcd_cluster *cluster;
	const struct etcd_member *own; /* NULL with all_members */
	struct etcd_edited edited;
	uint64_t db_size;
	bool verified;   /* by the trailer */
	bool same_ids;   /* the cluster id, or a member's, was already in the snapshot */
	char digest[65]; /* of the edits */
};

/* What can be refused without the snapshot: arguments, edits, target directories. */
int etcd_restore_check(struct etcd_restore_result *result, struct arena *a,
	const struct etcd_restore *r, struct err *e);

/* What can be refused of the database itself, and what there is to warn of; for a dry run. */
int etcd_restore_look(struct etcd_restore_result *result, const struct bolt_db *db,
	const struct etcd_restore *r, const struct listener *listener, struct err *e);

int etcd_restore_run(struct etcd_restore_result *result, struct arena *a,
	const struct etcd_restore *r, const struct stream *source, const struct listener *listener,
	struct err *e);

/* The second half: `fd` holds what etcd_copy wrote. Checks, cuts the trailer off, edits. */
int etcd_restore_finish_db(struct etcd_restore_result *result, int fd,
	const struct etcd_copied *copied, const struct etcd_restore *r,
	const struct listener *listener, struct err *e);

/* Its last step alone, for who decides what to edit once he has seen the database. */
int etcd_restore_edit(struct etcd_restore_result *result, int fd, const struct bolt_db *received,
	const struct etcd_restore *r, const struct listener *listener, struct err *e);

/* Kubernetes keeps revisions in its clients; a restore that goes back is not seen there. */
int etcd_restore_is_kubernetes(bool *yes, const struct bolt_db *db, struct err *e);
