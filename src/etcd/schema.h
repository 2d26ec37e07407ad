/* etcd/schema.h - bucket and key names in the database, and who knows them
 *
 *	key              revision -> KeyValue                       all versions
 *	meta             consistent_index, term (3.5+), confState (3.5+),
 *	                 scheduledCompactRev, finishedCompactRev, storageVersion (3.6+)
 *	lease, alarm, auth, authUsers, authRoles
 *	members          id in hex -> JSON; read at start by 3.6+ only
 *	members_removed  id in hex -> "removed"
 *	cluster          clusterVersion, downgrade
 *
 * Source:     etcd server/storage/schema/{bucket,meta}.go, 3.6.
 * Units:      bytes.
 * Ownership:  constants.
 * Errors:     none.
 */
#pragma once

#include "base/span.h"

#define ETCD_KEY             SPAN("key")
#define ETCD_META            SPAN("meta")
#define ETCD_LEASE           SPAN("lease")
#define ETCD_ALARM           SPAN("alarm")
#define ETCD_AUTH            SPAN("auth")
#define ETCD_AUTH_USERS      SPAN("authUsers")
#define ETCD_AUTH_ROLES      SPAN("authRoles")
#define ETCD_MEMBERS         SPAN("members")
#define ETCD_MEMBERS_REMOVED SPAN("members_removed")
#define ETCD_CLUSTER         SPAN("cluster")

#define ETCD_META_INDEX      SPAN("consistent_index")
#define ETCD_META_TERM       SPAN("term")
#define ETCD_META_CONFSTATE  SPAN("confState")
#define ETCD_META_SCHEDULED  SPAN("scheduledCompactRev")
#define ETCD_META_FINISHED   SPAN("finishedCompactRev")
#define ETCD_META_STORAGE    SPAN("storageVersion")
#define ETCD_CLUSTER_VERSION SPAN("clusterVersion")
#define ETCD_CLUSTER_DOWN    SPAN("downgrade")
#define ETCD_AUTH_ENABLED    SPAN("authEnabled")
