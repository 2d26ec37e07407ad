/* os/module.h - drivers for the devices the kernel sees
 *
 * Every device says in its `modalias` what it is; modprobe knows which module wants that.
 * All of them go to one modprobe, which reads its tables once.  A driver may make new
 * devices appear (a bus, a controller's disks), so the caller asks again until nothing
 * new comes: module_wait tells when the kernel has become quiet.
 *
 * Source:     Documentation/ABI/testing/sysfs-bus-*, NETLINK_KOBJECT_UEVENT, Linux 6.12.
 * Units:      milliseconds.
 * Ownership:  texts live in the arena.
 * Errors:     ERR_IO, ERR_NOTFOUND for /sys and /bin/modprobe.  A module that does not load
 *             is none: it stays visible as a device without driver.
 */
#pragma once

#include "base/arena.h"
#include "os/names.h"
#include "os/root.h"

/* The modaliases of all devices on all buses, each once, sorted.  Processors are left out:
 * what fits them is asked for by name when a file system needs it. */
int module_aliases(struct names *aliases, struct arena *a, const struct root *root, struct err *e);

/* What is in `all` and not in `known`; both sorted as module_aliases does. */
struct names module_new_aliases(
	struct arena *a, const struct names *all, const struct names *known);

/* Is this the alias of a disk controller on PCI?  Such a driver may take minutes to start.
 * Behind SAS, RAID and Fibre Channel disks come late: long after the driver has started. */
bool module_is_storage(const char *alias);
bool module_is_late_storage(const char *alias);

/* The modules of a list file such as /etc/modules: one a line, '#' begins a comment. */
void module_listed(struct names *names, struct arena *a, const struct root *root, const char *path);

/* Load modules by alias or name, in as few calls of modprobe as their number allows. */
int module_load(const struct names *aliases, struct arena *a, int limit_ms, struct err *e);

/* How many modules are in the kernel now. */
size_t module_count(const struct root *root);

/* A socket that hears when devices come, to be opened before loading; -1: not to be had. */
int module_listen(void);

/* Wait until no device came for `quiet_ms`, at most `limit_ms`; how many came.  Without a
 * listener just sleeps for `quiet_ms`. */
size_t module_wait(int listener, int quiet_ms, int limit_ms);

/* A PCI device that should be a disk controller or a network card and has no driver. */
struct module_orphan {
	const char *address;         /* "0000:03:00.0" */
	const char *kind;            /* "storage", "network" */
	const char *vendor, *device; /* "8086", "1572"; NULL: not known */
};

void module_orphans(
	struct module_orphan **orphans, size_t *n, struct arena *a, const struct root *root);
