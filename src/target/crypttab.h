/* target/crypttab.h - which key file opens which container, as a disk's etc/crypttab says
 *
 *   etcd_crypt  UUID=5f0c..      /etc/keys/etcd.key            luks
 *   data        /dev/sdb         /etcd.key:LABEL=ROOTRAID      luks,nofail
 *   home        PARTLABEL=home   none                          systemd looks by itself
 *
 * Source:     crypttab(5) of Debian and of systemd.
 * Units:      none.
 * Ownership:  everything lives in the arena.
 * Errors:     none: a line that says nothing is passed over, and all behind CRYPTTAB_MAX.
 */
#pragma once

#include "base/arena.h"

enum { CRYPTTAB_MAX = 256 };

struct crypttab_line {
	const char *name;   /* fit for a device's: letters, digits, "_", ".", "+" and "-" */
	const char *device; /* "UUID=..", "/dev/.." */
	const char *key;    /* "/etc/keys/etcd.key"; NULL: none is named */
	const char *on;     /* the device it is on: "LABEL=ROOTRAID"; NULL: the root itself */
};

struct crypttab {
	struct crypttab_line *v;
	size_t n;
};

void crypttab_parse(struct crypttab *tab, struct arena *a, struct str text);
