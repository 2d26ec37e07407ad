/* Arrays: each put together from the disks that say they belong to it, without a byte written. */
#include <string.h>

#include "base/ascii.h"
#include "os/attribute.h"
#include "target/assemble_parts.h"

enum { MD_FIRST = 127 };

static bool is_taken(const struct target_assembly *as, const char *name)
{
	return root_exists(as->machine, arena_print(as->arena, "sys/block/%s/md/level", name));
}

/* "host:0" was md0, and fstab may call it that; others get the next free from 127 down. */
static const char *name_of(const struct target_assembly *as, const char *label)
{
	const char *colon = strrchr(label, ':');
	uint64_t number;

	if (str_u64(&number, str_from(colon ? colon + 1 : label), 10, 511)) {
		const char *name = arena_print(as->arena, "md%u", (unsigned)number);
		if (!is_taken(as, name))
			return name;
	}
	for (unsigned i = MD_FIRST; i > 0; i--) {
		const char *name = arena_print(as->arena, "md%u", i);
		if (!is_taken(as, name))
			return name;
	}
	return NULL;
}

static int run(struct target_assembly *as, const char *verb, const char *name, struct err *e)
{
	const char *argv[] = { "/bin/mdadm", verb, arena_print(as->arena, "/dev/%s", name), NULL };

	return assemble_tool(as, argv, (struct span){ 0 }, ASSEMBLE_TOOL_MS, NULL, e);
}

/* It stands, but not as it should: how many of its disks are missing. */
static uint64_t missing(const struct target_assembly *as, const char *name)
{
	return attribute_u64(0, as->machine, "sys/block/%s/md/degraded", name);
}

static int start(struct target_assembly *as, struct target_layer *l, struct err *e)
{
	const char **argv = arena_array(as->arena, l->n_from + 8, sizeof *argv);
	size_t n = 0;

	argv[n++] = "/bin/mdadm";
	argv[n++] = "--assemble";
	argv[n++] = arena_print(as->arena, "/dev/%s", l->name);
	argv[n++] = "--config=none";
	argv[n++] = "--readonly";
	if (as->options.degraded)
		argv[n++] = "--run";
	for (size_t i = 0; i < l->n_from; i++)
		argv[n++] = arena_print(as->arena, "/dev/%s", l->from[i]);
	argv[n] = NULL;
	if (assemble_tool(as, argv, (struct span){ 0 }, ASSEMBLE_TOOL_MS, NULL, e)) {
		struct err none;
		if (is_taken(as, l->name))
			run(as, "--stop", l->name, &none);
		return as->options.degraded
			       ? e->code
			       : err_wrap(e, "not started; an array that lacks disks is with "
					     "`storage: {degraded: yes}`");
	}
	const uint64_t gone = missing(as, l->name);
	if (gone && !as->options.degraded) {
		struct err none;
		run(as, "--stop", l->name, &none);
		return err_set(e, ERR_DECLINED,
			"the array lacks %ju of its disks; `storage: {degraded: yes}` starts it "
			"without",
			(uintmax_t)gone);
	}
	l->degraded = gone != 0;
	return 0;
}

static size_t assemble_one(struct target_assembly *as, const struct assemble_pieces *pieces,
	const struct assemble_piece *first)
{
	struct target_layer l = { .kind = TARGET_MD, .uuid = first->content->uuid };
	struct err e = { 0 };

	l.from = arena_array(as->arena, pieces->n, sizeof *l.from);
	for (size_t i = 0; i < pieces->n; i++) {
		if (!strcmp(pieces->v[i].content->uuid, l.uuid))
			l.from[l.n_from++] = pieces->v[i].name;
	}
	if (assemble_tried(as, arena_print(as->arena, "md %s %zu", l.uuid, l.n_from)))
		return 0;
	l.name = name_of(as, first->content->label);
	if (l.name)
		assemble_note(as, &l);
	if (!l.name || start(as, &l, &e)) {
		assemble_unnote(as, &l);
		for (size_t i = 0; i < l.n_from; i++)
			assemble_refuse(as, l.from[i],
				l.name ? arena_print(as->arena, "array %s: %s",
						 *first->content->label ? first->content->label
									: l.uuid,
						 e.text)
				       : "no free name for the array");
		return 0;
	}
	event_info(as->options.listener, "target", "%s: array of %zu disks, read-only%s", l.name,
		l.n_from, l.degraded ? ", degraded" : "");
	assemble_add(as, &l);
	return 1;
}

size_t assemble_md(struct target_assembly *as)
{
	struct assemble_pieces pieces;
	size_t opened = 0;

	assemble_find(&pieces, as, SUPERBLOCK_MD, SUPERBLOCK_MD, false);
	for (size_t i = 0; i < pieces.n; i++) {
		bool seen = !*pieces.v[i].content->uuid;
		for (size_t k = 0; k < i; k++)
			seen |= !strcmp(pieces.v[k].content->uuid, pieces.v[i].content->uuid);
		opened += seen ? 0 : assemble_one(as, &pieces, &pieces.v[i]);
	}
	return opened;
}

int assemble_md_close(struct target_assembly *as, const struct target_layer *l, struct err *e)
{
	return is_taken(as, l->name) ? run(as, "--stop", l->name, e) : 0;
}

int assemble_md_writable(struct target_assembly *as, struct target_layer *l, struct err *e)
{
	if (l->writable)
		return 0;
	if (run(as, "--readwrite", l->name, e))
		return err_wrap(e, "%s cannot be made writable", l->name);
	l->writable = true;
	return 0;
}
