/* kube/env.h - files of NAME=VALUE lines: systemd's EnvironmentFile, /etc/default, /etc/sysconfig
 *
 *   # ETCD_NAME=old            a comment; ; too
 *   ETCD_NAME=m1
 *   export ETCD_DATA_DIR="/var/lib/etcd"
 *
 * The last line of a name counts. Values keep their quotes, comments stay.
 *
 * Source:     systemd.exec(5) EnvironmentFile=, systemd 252; kubespray's etcd.env, etcd's rpm.
 * Units:      bytes.
 * Ownership:  slots borrow the file.
 * Errors:     none: a line of another form is somebody else's.
 */
#pragma once

#include "kube/slot.h"

bool kube_env(struct kube_slot *slot, struct kube_file *file, const char *name);

/* The names that begin with `prefix`, one after another; `*at` begins with 0. */
bool kube_env_next(struct str *name, struct kube_slot *slot, size_t *at, struct kube_file *file);
