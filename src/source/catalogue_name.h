/* source/catalogue_name.h - what the name of a thing says: whose backup it is, and which part
 *
 *   kind           the database                            what goes with it, by the same time
 *   csm            etcd-backup-TIME.tar.gz
 *   openshift      snapshot_TIME.db                        static_kuberesources_TIME.tar.gz
 *   openshift-4.2  backup_TIME.snapshots.tgz               backup_TIME.misc.tgz
 *   icp            etcd.TIME.db
 *   kops           TIME/etcd.backup.gz                     TIME/_etcd_backup.meta
 *   k3s            etcd-snapshot-NODE-TIME, on-demand-..   (.zip)
 *   gardener       Full-REV-REV-TIME                       Incr-..: only what changed since
 *   kube-up        snapshot.db                             snapshot-events.db
 *   assets         NODE/assets/backup/snapshot.db
 *   member         member/snap/db
 *   other          anything with a time or the word etcd, snapshot or backup in it, and an
 *                  ending that fits: .db .snap .snapshot .bin .., packed or not
 *
 * A name is a hint for choosing; what the thing is, tells its content.
 *
 * Source:     the scripts of these systems; field notes of the layouts.
 * Units:      none.
 * Ownership:  texts borrow from the name, or are constants.
 * Errors:     none: what is not known is CATALOGUE_ALIEN.
 */
#pragma once

#include "source/name_time.h"

enum catalogue_role {
	CATALOGUE_ALIEN,     /* nothing we know */
	CATALOGUE_DATABASE,  /* can be restored */
	CATALOGUE_EVENTS,    /* the database of the events' own etcd */
	CATALOGUE_COMPANION, /* goes with a database */
	CATALOGUE_INCREMENT, /* of no use alone */
	CATALOGUE_SIDECAR,   /* SHA-256 of the thing whose name it has before its own ending */
};

struct catalogue_name {
	enum catalogue_role role;
	const char *kind;
	struct str path, base; /* all of it, and behind the last '/' */
	struct str parent;     /* the directory it lies in, "" for the address itself */
	struct str folder;     /* the same without times, node and what kinds add to it */
	struct str node;       /* "": not said */
	struct str ending;     /* behind time and stem: ".db", ".tar.gz" */
	bool has_time;
	struct name_time time;
	bool dirty;      /* __POSSIBLY_DIRTY__ */
	const char *why; /* would be a database, but for this; a constant; NULL: it is fit */
};

void catalogue_name_read(struct catalogue_name *name, struct str path);

/* Does this kind come in pairs?  Then what the other half is called; else NULL. */
const char *catalogue_partner(const char *kind);
