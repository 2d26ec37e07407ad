#include "target/assemble.h"

#include <string.h>
#include <time.h>

#include "os/attribute.h"
#include "os/module.h"
#include "os/names.h"
#include "os/process.h"
#include "target/assemble_parts.h"

/* Array, container, group and all of it once more is as deep as anybody builds. */
enum { ROUNDS_MAX = 12, CLOSE_TRIES = 5, MODULES_MS = 20000 };

int assemble_list(struct target_assembly *as, struct err *e)
{
	if (block_list(&as->blocks, &as->n_blocks, as->arena, as->machine, e))
		return e->code;
	block_probe(as->blocks, as->n_blocks, as->arena, as->machine, as->options.probe_ms);
	return 0;
}

static bool is_second_path(const struct target_assembly *as, size_t i)
{
	const struct block *b = &as->blocks[i];

	for (size_t k = 0; k < i && b->wwn && b->paths > 1; k++) {
		if (as->blocks[k].wwn && !strcmp(as->blocks[k].wwn, b->wwn))
			return true;
	}
	return false;
}

bool assemble_is_held(const struct target_assembly *as, const struct assemble_piece *p)
{
	struct names names;
	struct err none;
	const char *path =
		p->name == p->disk->name
			? arena_print(as->arena, "sys/block/%s/holders", p->name)
			: arena_print(as->arena, "sys/block/%s/%s/holders", p->disk->name, p->name);

	return !names_read(&names, as->arena, as->machine, path, &none) && names.n;
}

void assemble_find(struct assemble_pieces *pieces, const struct target_assembly *as,
	enum superblock_kind kind, enum superblock_kind or_kind, bool held_too)
{
	size_t room = 1;

	for (size_t i = 0; i < as->n_blocks; i++)
		room += 1 + as->blocks[i].n_parts;
	*pieces = (struct assemble_pieces){ arena_array(as->arena, room, sizeof *pieces->v), 0 };
	for (size_t i = 0; i < as->n_blocks; i++) {
		const struct block *b = &as->blocks[i];
		if (is_second_path(as, i))
			continue;
		for (size_t k = 0; k <= b->n_parts; k++) {
			const struct block_part *part = k ? &b->parts[k - 1] : NULL;
			const struct assemble_piece p = { b, part ? part->name : b->name,
				part ? &part->content : &b->content };
			const bool wanted = p.content->kind == kind || p.content->kind == or_kind;
			if (wanted && !(part ? part->trouble : b->trouble) &&
				(held_too || !assemble_is_held(as, &p)))
				pieces->v[pieces->n++] = p;
		}
	}
}

const char *assemble_device_name(const struct target_assembly *as, const char *path)
{
	const char *name = !strncmp(path, "/dev/", 5) ? path + 5 : path;
	const char *alias = !strncmp(name, "mapper/", 7) ? name + 7 : name;

	for (size_t i = 0; i < as->n_blocks; i++) {
		const struct block *b = &as->blocks[i];
		if (!strcmp(b->name, name) || (b->alias && !strcmp(b->alias, alias)))
			return b->name;
		for (size_t k = 0; k < b->n_parts; k++) {
			if (!strcmp(b->parts[k].name, name))
				return b->parts[k].name;
		}
	}
	return NULL;
}

const char *assemble_alias(const struct target_assembly *as, const char *name)
{
	for (size_t i = 0; i < as->n_blocks; i++) {
		if (!strcmp(as->blocks[i].name, name) && as->blocks[i].alias)
			return as->blocks[i].alias;
	}
	return name;
}

void assemble_refuse(struct target_assembly *as, const char *name, const char *why)
{
	struct target_refusal *r = as->refusals;

	while (r && strcmp(r->name, name))
		r = r->next;
	if (!r) {
		r = arena_alloc(as->arena, sizeof *r);
		*r = (struct target_refusal){ .name = name, .next = as->refusals };
		as->refusals = r;
	}
	r->why = why;
}

bool assemble_tried(struct target_assembly *as, const char *what)
{
	for (const struct target_refusal *r = as->tried; r; r = r->next) {
		if (!strcmp(r->name, what))
			return true;
	}
	struct target_refusal *r = arena_alloc(as->arena, sizeof *r);
	*r = (struct target_refusal){ .name = what, .next = as->tried };
	as->tried = r;
	return false;
}

struct target_layer *assemble_add(struct target_assembly *as, const struct target_layer *layer)
{
	if (as->n == as->room) {
		const size_t room = as->room ? 2 * as->room : 8;
		struct target_layer *more = arena_array(as->arena, room, sizeof *more);
		if (as->n)
			memcpy(more, as->v, as->n * sizeof *more);
		as->v = more;
		as->room = room;
	}
	as->v[as->n] = *layer;
	return &as->v[as->n++];
}

/* What a tool says, as one line; err_set makes control characters harmless. */
static const char *one_line(struct arena *a, const char *name, struct str text)
{
	const struct str prefix = str_from(arena_print(a, "%s: ", name));
	const char *all = "";
	struct str line;

	while (str_next(&line, &text, '\n')) {
		line = str_trim(line);
		if (str_starts(line, prefix)) {
			line.p += prefix.len;
			line.len -= prefix.len;
		}
		if (line.len && strlen(all) < 200)
			all = arena_print(a, "%s%s%.*s", all, *all ? "; " : "",
				line.len < 200 ? (int)line.len : 200, line.p);
	}
	return all;
}

int assemble_tool(struct target_assembly *as, const char *const *argv, struct span input,
	int timeout_ms, struct buf *output, struct err *e)
{
	CLEAN_BUF struct buf own = BUF(ASSEMBLE_OUTPUT_MAX);
	struct buf *said = output ? output : &own;
	int status = 0;

	if (process_feed(&status, argv, input, timeout_ms, said, e))
		return e->code;
	if (!status)
		return 0;
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	const char *text = one_line(as->arena, name, buf_text(said));
	return *text ? err_set(e, ERR_IO, "%s: %s", name, text)
		     : err_set(e, ERR_IO, "%s: ended with status %d", name, status);
}

/* Nothing of all this is done to the disks of a machine that is in service. */
static bool is_image(const struct root *machine)
{
	return root_exists(machine, "etc/etcd-rescue/manifest") &&
	       root_exists(machine, "bin/mdadm") && root_exists(machine, "bin/cryptsetup") &&
	       root_exists(machine, "bin/lvm");
}

static bool has_work(const struct target_assembly *as)
{
	static const enum superblock_kind kinds[] = { SUPERBLOCK_MD, SUPERBLOCK_LUKS1,
		SUPERBLOCK_LUKS2, SUPERBLOCK_LVM2 };
	struct assemble_pieces pieces;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		assemble_find(&pieces, as, kinds[i], kinds[i], false);
		if (pieces.n)
			return true;
	}
	return false;
}

static void load_modules(struct target_assembly *as)
{
	static const char *names[] = { "dm-crypt", "dm-mod", "md-mod" };
	const struct names wanted = { names, sizeof names / sizeof *names };
	struct err e = { 0 };

	if (module_load(&wanted, as->arena, MODULES_MS, &e))
		event_warning(as->options.listener, "target", "%s", e.text);
}

int target_assemble(struct target_assembly *as, struct arena *a, const struct root *machine,
	const struct target_assemble_options *options, struct err *e)
{
	*as = (struct target_assembly){ .arena = a, .machine = machine, .options = *options };
	if (assemble_list(as, e))
		return e->code;
	if (!is_image(machine))
		return 0;
	if (assemble_close_left(as) && assemble_list(as, e))
		return e->code;
	if (!has_work(as))
		return 0;
	load_modules(as);
	for (size_t round = 0; round < ROUNDS_MAX; round++) {
		/* Containers before groups: a part of a group may be in one. */
		const bool opened = assemble_md(as) || assemble_luks(as, false) || assemble_lvm(as);
		/* The key may have been in what was opened last, so a person is asked in the end.
		 */
		if (!opened && !assemble_luks(as, true))
			break;
		if (assemble_list(as, e))
			return e->code;
	}
	return 0;
}

static const struct target_layer *layer_on(const struct target_assembly *as, const char *name)
{
	for (size_t i = 0; i < as->n; i++) {
		for (size_t k = 0; k < as->v[i].n_from; k++) {
			if (!strcmp(as->v[i].from[k], name))
				return &as->v[i];
		}
	}
	return NULL;
}

static const char *holder_of(const struct target_assembly *as, const struct target_volume *v)
{
	const struct assemble_piece p = { v->disk, v->name, v->content };

	return assemble_is_held(as, &p) ? "in use by what was opened before" : NULL;
}

static const char *refusal_of(const struct target_assembly *as, const char *name)
{
	for (const struct target_refusal *r = as->refusals; r; r = r->next) {
		if (!strcmp(r->name, name))
			return r->why;
	}
	return NULL;
}

static void explain(struct target_volume *v, const struct target_assembly *as)
{
	static const char *const words[] = { "the array", "the container", "the volume group" };
	const struct target_layer *on = layer_on(as, v->name);
	const char *refused = refusal_of(as, v->name), *held;

	/* What a member's own partition table shows is the array's. */
	if (!on && v->name != v->disk->name)
		on = layer_on(as, v->disk->name);
	if (on && !v->twin) {
		root_close(&v->root);
		/* Of a group some volumes may be open and others not. */
		const bool whole = on->kind != TARGET_LVM || !refused;
		v->why = arena_print(as->arena, "part of %s %s, which is open%s%s%s",
			words[on->kind], on->name, on->degraded ? " (degraded)" : "",
			whole ? "" : "; ", whole ? "" : refused);
		v->locked = !whole;
	} else if (refused) {
		v->why = refused;
	} else if (v->why && v->locked && (held = holder_of(as, v))) {
		v->why = held;
		v->locked = false;
	}
}

void target_assemble_explain(struct target_volumes *volumes, const struct target_assembly *as)
{
	for (size_t i = 0; i < volumes->n; i++)
		explain(&volumes->v[i], as);
}

int assemble_close(struct target_assembly *as, const struct target_layer *l, struct err *e)
{
	for (int i = 0;; i++) {
		const int status = l->kind == TARGET_MD     ? assemble_md_close(as, l, e)
				   : l->kind == TARGET_LUKS ? assemble_luks_close(as, l, e)
							    : assemble_lvm_close(as, l, e);
		if (!status || i + 1 == CLOSE_TRIES)
			return status;
		/* Somebody may still be looking: a probe, the kernel at a partition table. */
		const struct timespec pause = { .tv_nsec = 200000000 };
		nanosleep(&pause, NULL);
	}
}

void target_disassemble(struct target_assembly *as)
{
	while (as->n) {
		struct target_layer *l = &as->v[--as->n];
		struct err e = { 0 };
		if (assemble_close(as, l, &e))
			event_warning(as->options.listener, "target", "%s stays open: %s", l->name,
				e.text);
		else
			assemble_unnote(as, l);
		assemble_wipe(&l->key);
	}
}
