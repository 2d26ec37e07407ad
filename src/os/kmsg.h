/* os/kmsg.h - the kernel's log: which firmware it missed, and our own lines in it
 *
 *   4,1234,5678901,-;bnx2 0000:01:00.0: firmware: failed to load bnx2/x.fw (-2)
 *   4,1235,5678902,-;tg3 0000:02:00.0: Direct firmware load for tigon/y.bin failed with error -2
 *    SUBSYSTEM=pci
 *
 * The first form is Debian's: it comes for each name the kernel tries, also when the file is
 * found a moment later under its compressed name.  The second, the kernel's own, is the verdict.
 *
 * Source:     Documentation/ABI/testing/dev-kmsg; drivers/base/firmware_loader/main.c,
 *             Linux 6.12, and Debian's patch to it.
 * Units:      levels of syslog(2): 4 warning, 6 information.
 * Ownership:  texts live in the arena; what kmsg_missing finds borrows from its line.
 * Errors:     none; a log that cannot be read names nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "os/root.h"

/* Does this record say that firmware was not found?  Parts that it does not name are empty. */
bool kmsg_missing(struct str *file, struct str *driver, struct str *device, struct str record);

struct kmsg_firmware {
	const char *file, *driver, *device; /* driver and device may be "" */
};

/* All of them, each file once; does not wait for more. */
void kmsg_firmware(
	struct kmsg_firmware **missing, size_t *n, struct arena *a, const struct root *root);

/* One line into the log as `<level>`, 4 warning, 6 info; lost when that is not allowed. */
void kmsg_write(int level, const char *text);
