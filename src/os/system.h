/* os/system.h - processor, memory, kernel and firmware of the machine
 *
 * Source:     /proc, and the UEFI variables of the UEFI specification 2.10, section 3.3.
 * Units:      bytes.
 * Ownership:  texts live in the arena.
 * Errors:     none; what cannot be read is NULL, 0 or -1.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "os/root.h"

struct system {
	const char *kernel;   /* "6.12.107+deb13-amd64" */
	const char *line;     /* the kernel's command line */
	const char *cpu;      /* model */
	const char *firmware; /* "uefi", "bios", "devicetree" */
	const char *lockdown; /* "none", "integrity", "confidentiality" */
	unsigned n_cpus;
	uint64_t memory, available; /* all of it; what a program could still get */
	int secure_boot;            /* 1: on; 0: off; -1: not known, or no UEFI */
	int setup_mode;             /* 1: keys can be enrolled without a signature */
};

void system_read(struct system *system, struct arena *a, const struct root *root);

/* Total and available memory alone; 0 when not known. */
void system_memory(uint64_t *total, uint64_t *available, const struct root *root);
