/* Where the key of a container may be. Keys are read from the disks as they lie, not from anything
 * that runs, and wiped when they are not needed any more. */
#include <string.h>
#include <strings.h>

#include "os/file.h"
#include "os/names.h"
#include "target/assemble_parts.h"
#include "target/crypttab.h"

enum { CRYPTTAB_BYTES = 1 << 18, KEYS_MAX = 32 };

struct search {
	struct target_assembly *as;
	const struct target_volumes *volumes;
	const struct assemble_piece *piece;
	struct assemble_key *first, *last;
	size_t n;
};

void assemble_wipe(struct buf *secret)
{
	if (secret->p)
		explicit_bzero(secret->p, secret->room);
	buf_free(secret);
	*secret = (struct buf){ 0 };
}

void assemble_keys_wipe(struct assemble_key *keys)
{
	for (; keys; keys = keys->next)
		assemble_wipe(&keys->bytes);
}

/* A buffer that grows leaves copies behind, so it has its full size from the start. */
static bool read_key(struct buf *key, const struct root *root, const char *path)
{
	uint8_t *room;
	struct err none;

	*key = BUF(ASSEMBLE_KEY_MAX + 1);
	if (buf_extend(&room, key, ASSEMBLE_KEY_MAX + 1, &none))
		return false;
	buf_clear(key);
	key->max = ASSEMBLE_KEY_MAX;
	return !file_read(key, root, path, &none) && key->len;
}

static void add(struct search *s, const struct root *root, const char *path, const char *where,
	const char *name)
{
	struct buf bytes;

	if (s->n == KEYS_MAX)
		return;
	if (!read_key(&bytes, root, path)) {
		assemble_wipe(&bytes);
		return;
	}
	struct assemble_key *key = arena_alloc(s->as->arena, sizeof *key);
	*key = (struct assemble_key){ bytes, arena_print(s->as->arena, "%s: %s", where, path), name,
		NULL };
	*(s->last ? &s->last->next : &s->first) = key;
	s->last = key;
	s->n++;
}

/* Does "UUID=..", "PARTUUID=.." or "/dev/.." mean our container? */
static bool is_ours(const struct search *s, const char *device)
{
	const struct target_volume *v = target_probe_find(s->volumes, device);

	return v && !strcmp(v->name, s->piece->name);
}

static void look_at_line(
	struct search *s, const struct target_volume *v, const struct crypttab_line *line)
{
	struct arena *a = s->as->arena;

	if (!is_ours(s, line->device))
		return;
	if (!line->key) {
		add(s, &v->root, arena_print(a, "etc/cryptsetup-keys.d/%s.key", line->name),
			v->name, line->name);
		return;
	}
	const struct target_volume *on = line->on ? target_probe_find(s->volumes, line->on) : v;
	if (on && !on->why)
		add(s, &on->root, line->key + 1, on->name, line->name);
}

static void look_at_crypttab(struct search *s, const struct target_volume *v)
{
	CLEAN_BUF struct buf text = BUF(CRYPTTAB_BYTES);
	struct crypttab tab;
	struct err none;

	if (file_read(&text, &v->root, "etc/crypttab", &none))
		return;
	crypttab_parse(&tab, s->as->arena, buf_text(&text));
	for (size_t i = 0; i < tab.n; i++)
		look_at_line(s, v, &tab.v[i]);
}

/* An HPE Cray master keeps them where its overlay is kept, and says so to its kernel alone. */
static void look_at_store(struct search *s, const struct target_volume *v)
{
	struct names names;
	struct err none;

	if (strcmp(v->content->label, "ROOTRAID") ||
		names_read(&names, s->as->arena, &v->root, "pki", &none))
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (str_ends(str_from(names.v[i]), STR(".key")))
			add(s, &v->root, arena_print(s->as->arena, "pki/%s", names.v[i]), v->name,
				!strcmp(s->piece->content->label, "ETCDLVM") ? "ETCDLVM" : NULL);
	}
}

void assemble_keys(struct assemble_key **keys, struct target_assembly *as,
	const struct target_volumes *volumes, const struct assemble_piece *piece)
{
	struct search s = { .as = as, .volumes = volumes, .piece = piece };
	const char *said = as->options.luks_key;

	if (said && !strncmp(said, "file:", 5)) {
		add(&s, as->machine, said + 5, "file", NULL);
	} else if (!said || strcmp(said, "ask")) {
		for (size_t i = 0; i < volumes->n; i++) {
			if (!volumes->v[i].why)
				look_at_crypttab(&s, &volumes->v[i]);
		}
		for (size_t i = 0; i < volumes->n; i++) {
			if (!volumes->v[i].why)
				look_at_store(&s, &volumes->v[i]);
		}
	}
	*keys = s.first;
}
