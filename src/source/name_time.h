/* source/name_time.h - the time that stands in the name of a backup
 *
 *   etcd-backup-2026-11-20-18-00-30.tar.gz      2026-11-20T18:00:30Z/etcd.backup.gz
 *   snapshot_2026-11-20_180030.db               etcd.2026.11.20-18.00.30.db
 *   backup_2026_11_20_180030.snapshots.tgz      dump-20261120T180030+0100.db
 *   etcd-snapshot-node1-1795197630.zip          2026/11/20/etcd.db
 *
 * Where several times stand in a name, the most exact one counts, then the last.  A time
 * without a zone is taken as UTC, and said to be so: it may be up to 14 hours off.
 *
 * Source:     scripts of OpenShift, CSM, ICP and Salt; k3s, kOps, gardener; ISO 8601.
 * Units:      seconds since 1970; years 2000 to 2099.
 * Ownership:  `text` borrows from the name.
 * Errors:     false: no time is in there.
 */
#pragma once

#include "base/str.h"

/* In the order of how exact they are. */
enum name_precision { NAME_PRECISION_DAY, NAME_PRECISION_HOUR, NAME_PRECISION_SECOND };

struct name_time {
	int64_t seconds;
	enum name_precision precision;
	bool zone;       /* it says in which zone, or counts from 1970 */
	struct str text; /* where it stands: the same in names that belong together */
};

bool name_time_find(struct name_time *found, struct str name);
