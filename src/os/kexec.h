/* os/kexec.h - another kernel in place of this one, without the firmware
 *
 * The kernel reads the files itself (kexec_file_load), so that it can see their signatures.
 * Several initrds, and pieces of files, are put behind each other in memory first, each at a
 * multiple of four bytes as the kernel wants it.
 *
 * Source:     kexec_file_load(2), Linux 6.12 kernel/kexec_file.c; kernel_lockdown(7).
 * Units:      bytes.
 * Ownership:  the files stay the caller's and may go once they are loaded.
 * Errors:     ERR_UNSUPPORTED: this kernel does not, or lockdown wants a signature that is not
 *             there, with what to do; ERR_FORMAT: no kernel; ERR_IO.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "os/root.h"

struct kexec_part {
	const struct root *root;
	const char *path;
	uint64_t at, len; /* a piece; len 0: all */
};

/* Could it be at all?  `machine` holds sys and proc. */
int kexec_possible(const struct root *machine, struct err *e);

int kexec_load(const struct kexec_part *kernel, const struct kexec_part *initrds, size_t n_initrds,
	const char *options, struct err *e);
bool kexec_loaded(const struct root *machine);

/* Starts what is loaded; returns only when that fails.  Everything must be unmounted. */
int kexec_start(struct err *e);

/* The plain restart and the end of power, after the same sync. */
int kexec_restart(struct err *e);
int kexec_poweroff(struct err *e);

/* The parts behind each other in memory, to be closed; kexec_load's own way, for its tests. */
int kexec_join(int *fd, const struct kexec_part *parts, size_t n, struct err *e);
