/* kube/unit.h - a systemd unit with its drop-ins: how a service is started
 *
 *   [Service]
 *   EnvironmentFile=-/etc/etcd.env
 *   Environment="ETCD_NAME=m1" ETCD_DEBUG=1
 *   ExecStart=/usr/bin/etcd --name m1 \
 *     --data-dir=/var/lib/etcd
 *
 * Looked for in etc/systemd/system, run/systemd/system, usr/lib/systemd/system and
 * lib/systemd/system, the first wins; drop-ins (NAME.d/ *.conf) of all of them follow in the
 * order of their names.  An empty assignment forgets what stood before it.
 *
 * Source:     systemd.unit(5), systemd.syntax(7), systemd.service(5), systemd 252.
 * Units:      none.
 * Ownership:  lives in the arena of the set.
 * Errors:     ERR_NOTFOUND; ERR_DECLINED for a unit that is masked; ERR_FORMAT.
 */
#pragma once

#include "kube/args.h"

struct kube_setting {
	struct kube_file *file;
	struct str section, name;
	size_t from, to; /* the value's bytes, continuation lines and all */
};

struct kube_unit {
	const char *name, *path;
	struct kube_files *files;
	struct kube_setting *v;
	size_t n;
};

int kube_unit(struct kube_unit *unit, struct kube_files *files, const char *name, struct err *e);

/* The last assignment that is not empty; NULL: none. */
const struct kube_setting *kube_unit_get(
	const struct kube_unit *unit, const char *section, const char *name);

/* The command of ExecStart=. */
int kube_unit_args(struct kube_args *args, const struct kube_unit *unit, struct err *e);

/* The value of an environment variable: of the files that EnvironmentFile= names, else of
 * Environment=. */
bool kube_unit_env(struct kube_slot *slot, const struct kube_unit *unit, const char *name);
