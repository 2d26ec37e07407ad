/* os/mountinfo.h - what is mounted where in the running system
 *
 *   36 35 98:0 /deploy /sysroot rw,noatime shared:1 - ext4 /dev/sda2 rw
 *         device root  where                        type source
 *
 * Source:     proc_pid_mountinfo(5); getmntent(3) on escapes, which are those of etc/fstab, too.
 * Units:      none.
 * Ownership:  `where` lives in the arena, the rest borrows the text.
 * Errors:     none: a line that is none is passed over.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/str.h"

struct mountinfo {
	dev_t device;
	struct str root; /* what of the file system: "/" is all of it */
	const char *where;
	struct str source; /* "/dev/sda2"; with escapes */
};

/* Take the next one off `*text`; false at the end. */
bool mountinfo_next(struct mountinfo *mount, struct arena *a, struct str *text);

/* "\040" is a blank; other backslashes stay. */
struct str mountinfo_unescape(struct arena *a, struct str text);
