/* Load what the devices ask for, wave by wave: a controller's driver shows its disks, a hub's
 * driver what is plugged into it. */
#include <string.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "cmd/boot.h"

enum {
	WAVES_MAX = 12,
	QUIET_MS = 400,       /* between waves */
	USB_QUIET_MS = 1000,  /* a hub powers its ports before it tells what is behind them */
	WAVE_MS = 10000,      /* a wave that never becomes quiet */
	LOAD_MS = 120000,     /* drivers that start at once */
	STORAGE_MS = 240000,  /* a RAID controller that checks its firmware first */
	DISK_MS = 3000,       /* a controller is there, its disks not yet */
	LATE_DISK_MS = 15000, /* the same for SAS and Fibre Channel */
	USB_DISK_MS = 5000,   /* usb-storage gives a stick a second to come to itself */
	STEP_MS = 250,
};

static bool has_disk(struct boot *b)
{
	const struct arena_mark mark = arena_mark(b->arena);
	struct block *blocks;
	struct err e = { 0 };
	size_t n = 0;
	bool found = false;

	if (!block_list(&blocks, &n, b->arena, b->root, &e)) {
		for (size_t i = 0; i < n; i++)
			found = found || !blocks[i].optical;
	}
	arena_release(b->arena, mark);
	return found;
}

/* Disk controllers last: their drivers may take minutes, and nobody shall wait behind them. */
static void load(struct boot *b, const struct names *aliases)
{
	struct names first = { .v = arena_array(b->arena, aliases->n, sizeof(char *)) };
	struct names last = { .v = arena_array(b->arena, aliases->n, sizeof(char *)) };
	struct err e = { 0 };

	for (size_t i = 0; i < aliases->n; i++) {
		struct names *to = module_is_storage(aliases->v[i]) ? &last : &first;
		to->v[to->n++] = aliases->v[i];
	}
	if (module_load(&first, b->arena, LOAD_MS, &e))
		event_warning(b->listener, "drivers", "%s", e.text);
	if (module_load(&last, b->arena, STORAGE_MS, &e))
		event_warning(b->listener, "drivers", "disk controllers: %s", e.text);
}

/* How many sticks and virtual media have a driver, and how many of them are disks already. */
static bool usb_disks_are_there(struct boot *b)
{
	const struct arena_mark mark = arena_mark(b->arena);
	static const char *const drivers[] = { "usb-storage", "uas" };
	struct names names;
	struct err e = { 0 };
	size_t n_wanted = 0, n_there = 0;
	char target[512];

	for (size_t d = 0; d < 2; d++) {
		if (names_read(&names, b->arena, b->root,
			    arena_print(b->arena, "sys/bus/usb/drivers/%s", drivers[d]), &e))
			continue;
		/* "1-1:1.0" is a device; bind, unbind, module and new_id are not. */
		for (size_t i = 0; i < names.n; i++)
			n_wanted += strchr(names.v[i], ':') != NULL;
	}
	if (n_wanted && !names_read(&names, b->arena, b->root, "sys/block", &e)) {
		for (size_t i = 0; i < names.n; i++) {
			const char *path = arena_print(b->arena, "sys/block/%s", names.v[i]);
			n_there += !root_read_link(target, sizeof target, b->root, path, &e) &&
				   strstr(target, "/usb");
		}
	}
	arena_release(b->arena, mark);
	return n_there >= n_wanted;
}

/* Disks that come without any further driver being asked for. */
static void wait_for_disks(struct boot *b, int listener, const struct names *aliases)
{
	bool storage = false, late = false;

	for (size_t i = 0; i < aliases->n; i++) {
		storage = storage || module_is_storage(aliases->v[i]);
		late = late || module_is_late_storage(aliases->v[i]);
	}
	const int limit_ms = late ? LATE_DISK_MS : storage ? DISK_MS : 0;
	for (int ms = 0; ms < limit_ms && !has_disk(b); ms += STEP_MS)
		module_wait(listener, STEP_MS, STEP_MS);
	for (int ms = 0; ms < USB_DISK_MS && !usb_disks_are_there(b); ms += STEP_MS)
		module_wait(listener, STEP_MS, STEP_MS);
	/* The first disk of several, and its partitions. */
	if (storage)
		module_wait(listener, QUIET_MS, WAVE_MS);
}

static void load_waves(struct boot *b, int listener)
{
	struct names known = { 0 };
	bool patient = false;

	for (size_t wave = 0; wave < WAVES_MAX; wave++) {
		struct names all;
		struct err e = { 0 };
		if (module_aliases(&all, b->arena, b->root, &e)) {
			event_warning(b->listener, "drivers", "%s", e.text);
			return;
		}
		const struct names new = module_new_aliases(b->arena, &all, &known);
		known = all;
		if (!new.n) {
			if (patient || !root_exists(b->root, "sys/bus/usb/devices/usb1"))
				break;
			patient = true;
			module_wait(listener, USB_QUIET_MS, WAVE_MS);
			continue;
		}
		const int64_t started = monotonic_ms();
		load(b, &new);
		b->drivers.n_waves++;
		const int64_t loaded = monotonic_ms();
		const size_t came = module_wait(listener, QUIET_MS, WAVE_MS);
		event_debug(b->listener, "drivers",
			"%zu new aliases loaded in %ju ms, then %zu devices in %ju ms", new.n,
			(uintmax_t)(loaded - started), came, (uintmax_t)(monotonic_ms() - loaded));
	}
	b->drivers.n_aliases = known.n;
	wait_for_disks(b, listener, &known);
}

void boot_load_drivers(struct boot *b)
{
	const int64_t started = monotonic_ms();
	const int listener = module_listen();
	struct names listed;
	struct err e = { 0 };

	event_step(b->listener, "drivers", "loading what the devices ask for");
	load_waves(b, listener);
	module_listed(&listed, b->arena, b->root, "etc/modules");
	if (listed.n && module_load(&listed, b->arena, LOAD_MS, &e))
		event_warning(b->listener, "drivers", "/etc/modules: %s", e.text);
	if (listener >= 0)
		close(listener);
	b->drivers.done = true;
	b->drivers.n_modules = module_count(b->root);
	b->drivers.took_ms = (unsigned)(monotonic_ms() - started);
	event_done(b->listener, "drivers",
		arena_print(b->arena, "%zu modules for %zu kinds of devices in %u.%u s",
			b->drivers.n_modules, b->drivers.n_aliases, b->drivers.took_ms / 1000,
			b->drivers.took_ms / 100 % 10));
}
