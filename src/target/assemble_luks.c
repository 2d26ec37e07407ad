/* Containers: LUKS 1 and 2, with the keys that can be found, in the memory that is there. */
#include <string.h>

#include "os/system.h"
#include "target/assemble_parts.h"
#include "target/tool_report.h"

enum { MEMORY_SPARE = 24 << 20, MIB = 1 << 20, ASKED_MAX = 3 };

/* What a container asks of who wants to open it. */
struct demand {
	struct luks_slots slots;
	uint64_t least, most; /* memory, of the cheapest and the dearest slot */
};

static int read_demand(
	struct demand *d, struct target_assembly *as, const struct assemble_piece *p, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(ASSEMBLE_OUTPUT_MAX);
	const char *argv[] = { "/bin/cryptsetup", "luksDump", "--batch-mode",
		"--dump-json-metadata", arena_print(as->arena, "/dev/%s", p->name), NULL };

	*d = (struct demand){ 0 };
	if (p->content->kind == SUPERBLOCK_LUKS1)
		return 0;
	if (assemble_tool(as, argv, (struct span){ 0 }, ASSEMBLE_TOOL_MS, &text, e) ||
		tool_report_slots(&d->slots, as->arena, buf_text(&text), e))
		return e->code;
	for (size_t i = 0; i < d->slots.n; i++) {
		const uint64_t memory = d->slots.v[i].memory;
		d->least = !i || memory < d->least ? memory : d->least;
		d->most = memory > d->most ? memory : d->most;
	}
	return 0;
}

static uint64_t available(const struct target_assembly *as)
{
	uint64_t total, free;

	system_memory(&total, &free, as->machine);
	/* Not known is no reason to refuse. */
	return !total ? UINT64_MAX : free > MEMORY_SPARE ? free - MEMORY_SPARE : 0;
}

static int check_memory(const struct demand *d, const struct target_assembly *as, struct err *e)
{
	const uint64_t free = available(as);

	if (d->least <= free)
		return 0;
	return err_set(e, ERR_SPACE,
		"unlocking it takes %ju MiB of memory (argon2), %ju MiB are free; use a machine "
		"with more, or add a cheaper key slot where it still opens: cryptsetup luksAddKey "
		"--pbkdf pbkdf2",
		(uintmax_t)(d->least / MIB), (uintmax_t)(free / MIB));
}

static int open_with(struct target_assembly *as, const struct target_layer *l,
	const struct luks_slot *slot, struct err *e)
{
	const char *argv[12] = { "/bin/cryptsetup", "open", "--batch-mode", "--type", "luks",
		"--key-file=-" };
	size_t n = 6;

	if (!l->writable)
		argv[n++] = "--readonly";
	if (slot)
		argv[n++] = arena_print(as->arena, "--key-slot=%u", slot->number);
	argv[n++] = arena_print(as->arena, "/dev/%s", l->from[0]);
	argv[n++] = l->name;
	return assemble_tool(as, argv, buf_span(&l->key), ASSEMBLE_UNLOCK_MS, NULL, e);
}

/* All slots at once, or where there is no memory for all of them those that it is enough for. */
static int try_key(struct target_assembly *as, const struct target_layer *l, const struct demand *d,
	struct err *e)
{
	const uint64_t free = available(as);
	int status = ERR_SPACE;

	if (d->most <= free)
		return open_with(as, l, NULL, e);
	for (size_t i = 0; i < d->slots.n && status; i++) {
		if (d->slots.v[i].memory <= free)
			status = open_with(as, l, &d->slots.v[i], e);
	}
	return status;
}

static bool has_name(const struct target_assembly *as, const char *name)
{
	return root_exists(as->machine, arena_print(as->arena, "dev/mapper/%s", name));
}

static bool add_layer(struct target_assembly *as, const struct assemble_piece *p,
	const struct demand *d, struct assemble_key *key, bool typed, struct err *e)
{
	struct target_layer l = { .kind = TARGET_LUKS,
		.uuid = p->content->uuid,
		.n_from = 1,
		.key = key->bytes,
		.typed = typed };

	l.name = key->name && !has_name(as, key->name)
			 ? key->name
			 : arena_print(as->arena, "luks-%s", p->content->uuid);
	l.from = arena_array(as->arena, 1, sizeof *l.from);
	l.from[0] = p->name;
	if (d->least)
		event_info(as->options.listener, "target",
			"container %s: unlocking it takes %ju MiB of memory (argon2), %ju MiB are "
			"free",
			p->name, (uintmax_t)(d->least / MIB), (uintmax_t)(available(as) / MIB));
	assemble_note(as, &l);
	if (try_key(as, &l, d, e)) {
		assemble_unnote(as, &l);
		err_wrap(e, "%s", key->origin);
		return false;
	}
	key->bytes = (struct buf){ 0 }; /* the layer's now */
	event_info(as->options.listener, "target", "%s: container %s opened with %s, read-only",
		l.name, p->name, key->origin);
	assemble_add(as, &l);
	return true;
}

/* One passphrase for all disks is what most people have. */
static bool try_typed(struct target_assembly *as, const struct assemble_piece *p,
	const struct demand *d, struct err *e)
{
	bool opened = false;

	for (size_t i = 0; i < as->n && !opened; i++) {
		struct assemble_key key = { .bytes = BUF(ASSEMBLE_KEY_MAX),
			.origin = "the passphrase of another" };
		if (!as->v[i].typed || assemble_tried(as, arena_print(as->arena, "%s %s",
								  p->content->uuid, as->v[i].uuid)))
			continue;
		const struct span typed = buf_span(&as->v[i].key);
		opened = !buf_add(&key.bytes, typed.p, typed.len, e) &&
			 add_layer(as, p, d, &key, true, e);
		assemble_wipe(&key.bytes);
	}
	return opened;
}

/* `*given`: a person did answer. */
static bool ask(struct target_assembly *as, const struct assemble_piece *p, const struct demand *d,
	bool *given, struct err *e)
{
	const struct target_assemble_options *o = &as->options;
	struct target_question question = { .name = p->name,
		.label = p->content->label,
		.uuid = p->content->uuid,
		.memory = d->least };
	bool opened = try_typed(as, p, d, e);
	struct err none = { 0 };

	*given = opened;
	for (; question.again < ASKED_MAX && o->ask && !opened; question.again++) {
		struct assemble_key key = { .bytes = BUF(ASSEMBLE_KEY_MAX),
			.origin = "the passphrase" };
		const bool typed = !o->ask(o->ctx, &key.bytes, &question, &none) && key.bytes.len;
		*given = *given || typed;
		opened = typed && add_layer(as, p, d, &key, true, e);
		assemble_wipe(&key.bytes);
		if (!typed)
			break;
	}
	return opened;
}

static const char *why_locked(const struct target_assembly *as, const struct assemble_key *keys,
	bool nobody, struct err *e)
{
	const char *said = as->options.luks_key ? as->options.luks_key : "auto";
	const bool asks = !strcmp(said, "ask");

	if (e->code)
		return arena_print(as->arena, "locked, no key fits: %s", e->text);
	if (!strncmp(said, "file:", 5))
		return keys ? NULL
			    : arena_print(as->arena,
				      "locked, no key in %s; say where: storage: {luks-key: "
				      "file:/path} or ask",
				      said + 5);
	if (nobody && !keys)
		return arena_print(as->arena,
			"locked, %s and nobody typed its passphrase: choose the restore at the "
			"image's menu, which asks for it, or type `etcd-rescue run` in a shell; "
			"or name a key file, storage: {luks-key: file:/path}",
			asks ? "the plan says storage: {luks-key: ask}"
			     : "no key was found on the other disks");
	return keys ? NULL
		    : arena_print(as->arena,
			      "locked, no key was found on the other disks; say where: storage: "
			      "{luks-key: file:/path} or ask");
}

static bool unlock(struct target_assembly *as, const struct target_volumes *volumes,
	const struct assemble_piece *p, bool may_ask)
{
	const char *said = as->options.luks_key ? as->options.luks_key : "auto";
	struct assemble_key *keys = NULL;
	struct demand d;
	struct err e = { 0 };
	bool opened = false, given = true;

	if (read_demand(&d, as, p, &e) || check_memory(&d, as, &e)) {
		assemble_refuse(as, p->name, arena_copy(as->arena, str_from(e.text)));
		return false;
	}
	assemble_keys(&keys, as, volumes, p);
	/* The same key on the same container gives the same answer, after a long time. */
	for (struct assemble_key *k = keys; k && !opened; k = k->next)
		opened = !assemble_tried(as,
				 arena_print(as->arena, "%s %s", p->content->uuid, k->origin)) &&
			 add_layer(as, p, &d, k, false, &e);
	assemble_keys_wipe(keys);
	if (!opened && may_ask && strncmp(said, "file:", 5) != 0 &&
		!assemble_tried(as, arena_print(as->arena, "ask %s", p->content->uuid)))
		opened = ask(as, p, &d, &given, &e);
	if (opened)
		return true;
	const char *why = why_locked(as, keys, as->options.ask && !given, &e);
	if (why)
		assemble_refuse(as, p->name, why);
	return false;
}

size_t assemble_luks(struct target_assembly *as, bool may_ask)
{
	struct assemble_pieces pieces;
	struct target_volumes volumes;
	size_t opened = 0;

	assemble_find(&pieces, as, SUPERBLOCK_LUKS1, SUPERBLOCK_LUKS2, false);
	if (!pieces.n)
		return 0;
	target_probe(&volumes, as->arena, as->machine, as->blocks, as->n_blocks);
	for (size_t i = 0; i < pieces.n; i++)
		opened += unlock(as, &volumes, &pieces.v[i], may_ask);
	target_probe_close(&volumes);
	return opened;
}

int assemble_luks_close(struct target_assembly *as, const struct target_layer *l, struct err *e)
{
	const char *argv[] = { "/bin/cryptsetup", "close", l->name, NULL };

	if (!has_name(as, l->name))
		return 0;
	return assemble_tool(as, argv, (struct span){ 0 }, ASSEMBLE_TOOL_MS, NULL, e);
}

int assemble_luks_open(struct target_assembly *as, struct target_layer *l, struct err *e)
{
	struct assemble_pieces pieces;
	struct demand d;

	assemble_find(&pieces, as, SUPERBLOCK_LUKS1, SUPERBLOCK_LUKS2, false);
	for (size_t i = 0; i < pieces.n; i++) {
		const struct assemble_piece *p = &pieces.v[i];
		if (strcmp(p->content->uuid, l->uuid))
			continue;
		l->from[0] = p->name;
		if (read_demand(&d, as, p, e) || check_memory(&d, as, e) || try_key(as, l, &d, e))
			return err_wrap(e, "%s", l->name);
		return 0;
	}
	return err_set(e, ERR_NOTFOUND, "%s: its container did not come back", l->name);
}
