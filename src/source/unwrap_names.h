/* source/unwrap_names.h - names in archives: which are harmless, and what each is for
 *
 *   etcd-backup-2020-02-04-18-50-03/etcd-dump.bin          CSM, bare metal
 *   NODE/assets/backup/snapshot.db, etcd-member.yaml, ..   OpenShift 4.1 to 4.3
 *   snapshot_2020-03-18_220218.db,
 *     static_kuberesources_2020-03-18_220218.tar.gz with static-pod-resources/..
 *                                                          OpenShift 4.4 and later
 *   etcd.backup.gz, _etcd_backup.meta                      kOps, etcd-manager
 *   snapshot.db, snapshot-events.db                        kube-up, Salt
 *   etcd.2020.02.04-18.00.10.db                            IBM Cloud Private
 *   etcd-snapshot-NODE-1580835600[.zip], on-demand-..      k3s, RKE2
 *   member/snap/db                                         a copy of a data directory
 *
 * Source:     the backup scripts of those; design of the allow-list: what is not named here
 *             does not come out of an archive.
 * Units:      bytes.
 * Ownership:  nothing is kept; parts borrow from the name that was given.
 * Errors:     none: verdicts.
 */
#pragma once

#include "base/str.h"

enum { NAME_SIZE = 1024 };

enum name_verdict {
	NAME_FINE,
	NAME_OUTSIDE,  /* ".." in it */
	NAME_ABSOLUTE, /* begins with '/' or a drive */
	NAME_ODD,      /* empty, too long, control bytes, backslashes */
};

/* `clean` gets the name without "./" and doubled slashes, and without control bytes, so that
 * it can be shown whatever the verdict. */
enum name_verdict name_clean(char clean[NAME_SIZE], const char *raw);

enum name_use {
	NAME_NONE,
	NAME_DB, /* if its content is one */
	NAME_DB_EVENTS,
	NAME_COMPANION,
	NAME_ARCHIVE, /* worth looking into */
};

enum name_use name_use(const char *clean);

/* Is it the events' own database, by its name? */
bool name_is_events(const char *name);

/* The node a name speaks of.  `sure`: by a layout that has folders of nodes; otherwise the
 * first folder, or the archive it was in, and it is no usual word and no date.  Empty: none. */
struct str name_node(bool *sure, const char *clean, const char *inside);

/* The same node?  One of them may lack the domain; letters of either case. */
bool name_node_is(struct str node, const char *wanted);
