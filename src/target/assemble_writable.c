/* What is needed of arrays, containers and groups is opened again so that it may be written to. */
#include <string.h>

#include "os/names.h"
#include "target/assemble_parts.h"

enum { DEPTH_MAX = 16 }; /* of devices on each other */

/* The devices that a device stands upon, and itself. */
static void add_below(struct names *set, size_t room, const struct target_assembly *as,
	const char *name, unsigned depth)
{
	struct names slaves;
	struct err none;

	if (set->n == room || depth > DEPTH_MAX)
		return;
	set->v[set->n++] = name;
	/* "md0p1" is on md0. */
	const struct block *disk = block_find(as->blocks, as->n_blocks, name);
	if (disk && strcmp(disk->name, name))
		add_below(set, room, as, disk->name, depth + 1);
	if (names_read(&slaves, as->arena, as->machine,
		    arena_print(as->arena, "sys/class/block/%s/slaves", name), &none))
		return;
	for (size_t i = 0; i < slaves.n; i++)
		add_below(set, room, as, slaves.v[i], depth + 1);
}

static bool holds(const struct names *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (!strcmp(set->v[i], name))
			return true;
	}
	return false;
}

static bool is_needed(
	const struct target_assembly *as, const struct target_layer *l, const struct names *aliases)
{
	for (size_t i = 0; i < l->n_volumes; i++) {
		if (holds(aliases, assemble_lvm_alias(as->arena, l->name, l->volumes[i])))
			return true;
	}
	return l->kind != TARGET_LVM && holds(aliases, l->name);
}

static int reopen(struct target_assembly *as, const struct names *aliases, struct err *e)
{
	/* A layer that does not open again is not there any more. */
	const size_t n = as->n;
	int status = 0;

	for (size_t i = 0; i < n && !status; i++) {
		struct target_layer *l = &as->v[i];
		const bool needed = is_needed(as, l, aliases);
		if (l->kind == TARGET_MD) {
			status = needed ? assemble_md_writable(as, l, e) : 0;
			continue;
		}
		if (assemble_list(as, e))
			return e->code;
		l->writable = needed;
		status = l->kind == TARGET_LUKS ? assemble_luks_open(as, l, e)
						: assemble_lvm_open(as, l, aliases, e);
	}
	return status;
}

int target_assemble_writable(
	struct target_assembly *as, const char **names, size_t n, struct err *e)
{
	const size_t room = 64 + 64 * n;
	struct names below = { arena_array(as->arena, room, sizeof *below.v), 0 };
	const char **keys = arena_array(as->arena, n + 1, sizeof *keys);
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		keys[i] = assemble_alias(as, names[i]);
		add_below(&below, room, as, names[i], 0);
	}
	for (size_t i = 0; i < below.n; i++)
		below.v[i] = assemble_alias(as, below.v[i]);
	for (size_t i = 0; i < as->n; i++)
		any |= is_needed(as, &as->v[i], &below) && !as->v[i].writable;
	if (!any)
		return 0;
	for (size_t i = as->n; i-- > 0;) {
		if (as->v[i].kind != TARGET_MD && assemble_close(as, &as->v[i], e))
			return err_wrap(e, "%s cannot be made writable", as->v[i].name);
	}
	if (reopen(as, &below, e) || assemble_list(as, e))
		return e->code;
	for (size_t i = 0; i < n; i++) {
		names[i] = assemble_device_name(as, keys[i]);
		if (!names[i])
			return err_set(e, ERR_NOTFOUND, "%s did not come back", keys[i]);
	}
	return 0;
}
