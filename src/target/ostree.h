/* target/ostree.h - the deployment that an ostree disk boots
 *
 *   boot/loader/entries/ostree-2-rhcos.conf   options .. ostree=/ostree/boot.1/rhcos/SUM/0
 *   ostree/boot.1/rhcos/SUM/0                 -> ../../../deploy/rhcos/deploy/SUM.0
 *   ostree/deploy/rhcos/deploy/SUM.0          the root of the running system, with its etc
 *   ostree/deploy/rhcos/var                   its /var
 *
 * The entry with the highest version is what boots.  Where boot is a file system of its own
 * and not here, the one deployment there is counts; of several none does.
 *
 * Source:     ostree(1), libostree's "Deployments" and "Atomic upgrades"; the Boot Loader
 *             Specification.
 * Units:      none.
 * Ownership:  everything lives in the arena; the roots are borrowed.
 * Errors:     ERR_DECLINED, listing the deployments; ERR_FORMAT; ERR_NOTFOUND when what the
 *             entry names is not there.
 */
#pragma once

#include "base/arena.h"
#include "os/root.h"

struct target_ostree {
	const char *deployment; /* "ostree/deploy/rhcos/deploy/SUM.0"; NULL: no ostree here */
	const char *var;        /* "ostree/deploy/rhcos/var" */
	const char *origin;     /* "boot/loader/entries/ostree-2-rhcos.conf" */
};

/* `root` is the top of a file system; `boot`, which may be NULL, that of its /boot. */
int target_ostree(struct target_ostree *found, struct arena *a, const struct root *root,
	const struct root *boot, struct err *e);
