/* os/tty.h - the consoles of a machine, and behind which of them somebody may be
 *
 * A console that does not exist costs time when it is written to and hangs a shell that
 * waits on it, so each is asked first:
 *
 *   screen    tty1     a VT whose driver is more than the kernel's dummy
 *   serial    ttyS*    the kernel found a UART behind the port; an empty one says "unknown"
 *             ttyAMA*  likewise, by its type in sysfs
 *   virtual   hvc0     can be opened; it is there before any host has connected it
 *
 * Source:     /proc/tty/driver/serial, /proc/consoles and /sys/class/tty, Linux 6.12.
 * Units:      none.
 * Ownership:  everything lives in the arena.
 * Errors:     none; what cannot be read is not known (-1).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "os/root.h"

struct tty {
	const char *name;     /* "tty1", "ttyS0" */
	const char *kind;     /* "screen", "serial", "virtual" */
	const char *hardware; /* "16550A"; NULL: not known */
	int answers;          /* 1: it is there; 0: it is not; -1: not known */
	int connected; /* 1: its modem lines say that somebody is there; 0: no; -1: not known */
	bool kernel;   /* the kernel prints there as well */
};

void tty_list(struct tty **ttys, size_t *n, struct arena *a, const struct root *root);
