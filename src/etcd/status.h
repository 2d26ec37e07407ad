/* etcd/status.h - what a database holds: etcdutl's five figures, and the rest an operator asks
 *
 *	hash       CRC-32C over, for each bucket in byte order, its name, then key and value
 *	           of each entry: what etcdctl and etcdutl of every version print
 *	revision   main revision of the last entry in bucket `key`
 *	live_keys  user keys that exist at that revision, as etcdutl 3.6 counts; exact
 *	size       pages in use, without trailer and pre-grown space
 *
 * One walk in key order with the full check of bolt/check.h.
 *
 * Source:     etcdutl/snapshot/v3_snapshot.go (Status), 3.6.12.
 * Units:      bytes, revisions, entries.
 * Ownership:  lists and texts live in the arena.
 * Errors:     ERR_FORMAT naming bucket and page.
 */
#pragma once

#include "base/arena.h"
#include "base/event.h"
#include "bolt/check.h"

/* A member as the members bucket has it. */
struct etcd_known_member {
	uint64_t id;
	struct str name, urls, client_urls; /* urls joined with commas */
	bool learner;
	struct etcd_known_member *next;
};

struct etcd_alarm {
	uint64_t member;
	int kind; /* 1 NOSPACE, 2 CORRUPT */
	struct etcd_alarm *next;
};

struct etcd_removed {
	struct str id;
	struct etcd_removed *next;
};

struct etcd_status {
	uint32_t hash;
	int64_t revision, compacted;
	uint64_t live_keys, entries, size;
	struct str storage_version, cluster_version, downgrade, confstate;
	uint64_t consistent_index, term;
	uint64_t leases, users, roles;
	bool auth_enabled;
	struct etcd_known_member *members;
	size_t n_members, n_learners;
	struct etcd_removed *removed;
	size_t n_removed;
	struct etcd_alarm *alarms;
	size_t n_alarms;
	struct bolt_tally tally;
};

int etcd_status_read(
	struct etcd_status *status, struct arena *a, const struct bolt_db *db, struct err *e);

/* Only what is in the small buckets: members, alarms, versions; no walk over the keys. */
int etcd_status_brief(
	struct etcd_status *status, struct arena *a, const struct bolt_db *db, struct err *e);

const char *etcd_alarm_word(int kind);
