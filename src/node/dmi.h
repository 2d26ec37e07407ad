/* node/dmi.h - what the machine's maker wrote into it
 *
 * Many boards carry a text that says nothing ("To Be Filled By O.E.M.", "0123456789");
 * those are treated as not there, since nobody can be told apart by them.
 *
 * Source:     /sys/class/dmi/id, Linux 6.12; SMBIOS 3.7 section 7.4.1 for the chassis
 *             types; /sys/firmware/devicetree where there is no SMBIOS.
 * Units:      none.
 * Ownership:  texts live in the arena.
 * Errors:     none; NULL is not known.  Serial numbers and UUID are root's to read.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "os/root.h"

struct dmi {
	const char *vendor, *product, *version, *serial, *uuid;
	const char *board_vendor, *board, *board_serial;
	const char *chassis, *chassis_serial, *asset; /* chassis: "rack mount", "blade" */
	const char *bios_vendor, *bios_version, *bios_date;
};

void dmi_read(struct dmi *dmi, struct arena *a, const struct root *root);

/* Is this one of the texts that say nothing? */
bool dmi_is_placeholder(const char *text);
