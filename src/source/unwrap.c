#include "source/unwrap.h"

#include <stdlib.h>
#include <string.h>

#include "source/unwrap_companion.h"
#include "source/unwrap_names.h"

#define DB_MAX (64ull << 30)

enum { SAID_MAX = 8, LISTED_MAX = 8, NAMES_MAX = 16 << 20 };

struct unwrap {
	const struct unwrap_settings *s;
	struct stream in; /* counted, and its errors known as its own */
	const struct stream *outer;
	bool outer_bad, begun, over;
	struct err failed; /* code 0: not yet */
	uint64_t db_max;
	uint64_t n_entries;
	uint64_t db_got, db_size; /* read so far; told before, or UINT64_MAX */
	struct layers layers;
	unsigned n_said;
	uint64_t names_size;
	const char *db[2];             /* of each role the one that was handed on */
	const char *found[LISTED_MAX]; /* where there are more */
	unsigned n_found;
	const char *passed[LISTED_MAX]; /* of other nodes */
	const char *first_passed;
	unsigned n_passed;
	const char *reason; /* why the first that should have been one was none */
	struct companions companions;
};

static int outer_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct unwrap *u = ctx;
	const int bad = stream_read(u->outer, got, bytes, room, e);

	u->outer_bad = bad != 0;
	return bad;
}

static void say(struct unwrap *u, const char *name, const char *why)
{
	if (++u->n_said < SAID_MAX)
		event_warning(u->s->listener, "unwrap", "%s: %s: passed over", name, why);
	else if (u->n_said == SAID_MAX)
		event_warning(u->s->listener, "unwrap", "%s: more is passed over and not listed",
			u->s->name);
}

static int fail(struct unwrap *u, struct err *e)
{
	if (!u->outer_bad)
		err_wrap(e, "%s", u->s->name);
	u->failed = *e;
	return e->code;
}

static int db_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct unwrap *u = ctx;

	if (u->failed.code || stream_read(&layers_top(&u->layers)->seen, got, bytes, room, e))
		return u->failed.code ? err_set(e, u->failed.code, "%s", u->failed.text)
				      : fail(u, e);
	u->db_got += *got;
	if (!*got && u->db_size != UINT64_MAX && u->db_got != u->db_size) {
		err_set(e, ERR_FORMAT, "a database of %ju bytes, where %ju were told",
			(uintmax_t)u->db_got, (uintmax_t)u->db_size);
		return fail(u, e);
	}
	if (u->db_got <= u->db_max)
		return 0;
	err_set(e, ERR_SPACE, "a database longer than the %ju bytes allowed", (uintmax_t)u->db_max);
	return fail(u, e);
}

static const char *shown(struct unwrap *u, const char *name, const char *inside)
{
	return inside ? arena_print(u->s->arena, "%s in %s", name, inside) : name;
}

static void remember(const char **names, unsigned *n, const char *name)
{
	if (*n < LISTED_MAX)
		names[*n] = name;
	++*n;
}

/* The top is a database: hand it on, unless there was one already. */
static bool take_db(struct unwrap *u, struct unwrap_entry *entry, const char *name, bool events,
	const struct layer *archive, const char *node, uint64_t size)
{
	const char **had = &u->db[events];
	const char *full = shown(u, name, archive ? archive->inside : NULL);

	if (*had) {
		if (!u->n_found)
			remember(u->found, &u->n_found, *had);
		remember(u->found, &u->n_found, full);
		return false;
	}
	*had = full;
	u->db_got = 0;
	u->db_size = size;
	*entry = (struct unwrap_entry){
		.role = events ? UNWRAP_DB_EVENTS : UNWRAP_DB,
		.name = name,
		.node = node,
		.inside = archive ? archive->inside : NULL,
		.wrapping = layers_words(&u->layers, u->s->arena),
		.size = size,
		.modified = archive ? archive->now.modified : 0,
		.mode = archive ? archive->now.mode : 0,
		.stream = { .read = db_read, .ctx = u, .size = size == UINT64_MAX ? 0 : size },
	};
	return true;
}

/* What is neither packed nor a database. */
static const char *what_else(struct unwrap *u, enum err_code *code)
{
	char words[MAGIC_WORDS];
	const struct layer *l = layers_top(&u->layers);

	magic_words(words, (struct span){ l->head, l->len });
	*code = l->magic == MAGIC_ENCRYPTED || l->magic == MAGIC_REFUSED ? ERR_UNSUPPORTED
									 : ERR_FORMAT;
	if (l->magic == MAGIC_ENCRYPTED)
		return arena_print(
			u->s->arena, "is %s: decrypt it first, no key is known here", words);
	if (l->magic == MAGIC_REFUSED)
		return arena_print(u->s->arena, "is packed with %s, which is not read here", words);
	return arena_print(u->s->arena, "is no etcd snapshot, but looks like %s", words);
}

/* The thing itself. */
static int begin(struct unwrap_entry *entry, struct unwrap *u, bool *taken, struct err *e)
{
	enum err_code code;

	u->begun = true;
	u->in = (struct stream){ .read = outer_read, .ctx = u };
	if (layers_open(&u->layers, &u->in, NULL, e))
		return e->code;
	const struct layer *l = layers_top(&u->layers);
	if (l->archive)
		return 0;
	if (l->magic != MAGIC_BOLT) {
		const char *why = what_else(u, &code);
		return err_set(e, code, "%s", why);
	}
	const bool bare = u->layers.n == 1;
	*taken = take_db(u, entry, u->s->name, name_is_events(u->s->name), NULL, NULL,
		bare && u->outer->size ? u->outer->size : UINT64_MAX);
	if (bare && u->outer->size > u->db_max)
		return err_set(e, ERR_SPACE, "a database of %ju bytes, longer than the %ju allowed",
			(uintmax_t)u->outer->size, (uintmax_t)u->db_max);
	return 0;
}

static int take_companion(struct unwrap_entry *entry, struct unwrap *u, const char *name,
	const char *node, bool *taken, struct err *e)
{
	const struct layer *l = layers_top(&u->layers);
	struct span bytes;

	if (companion_read(&bytes, taken, &u->companions, u->s->arena, l, name, e))
		return e->code;
	if (!*taken) {
		say(u, name, "longer than 4 MiB");
		return 0;
	}
	*entry = (struct unwrap_entry){
		.role = UNWRAP_COMPANION,
		.name = name,
		.node = node,
		.inside = l->inside,
		.wrapping = layers_words(&u->layers, u->s->arena),
		.size = bytes.len,
		.modified = l->now.modified,
		.mode = l->now.mode,
		.bytes = bytes,
	};
	return 0;
}

/* A file that may hold a database, packed or not, or may be an archive. */
static int look_into(struct unwrap_entry *entry, struct unwrap *u, const char *name,
	const char *node, enum name_use use, bool *taken, struct err *e)
{
	struct layer *archive = layers_top(&u->layers);
	enum err_code code;

	if (layers_open(&u->layers, &archive->member, name, e))
		return err_wrap(e, "%s", name);
	if (layers_top(&u->layers)->archive)
		return 0;
	const bool bare = layers_top(&u->layers) == archive + 1;
	if (layers_top(&u->layers)->magic == MAGIC_BOLT && use != NAME_ARCHIVE) {
		if (bare && archive->now.size != UINT64_MAX && archive->now.size > u->db_max)
			return err_set(e, ERR_SPACE,
				"%s: a database of %ju bytes, longer than the %ju allowed", name,
				(uintmax_t)archive->now.size, (uintmax_t)u->db_max);
		*taken = take_db(u, entry, name, use == NAME_DB_EVENTS, archive, node,
			bare ? archive->now.size : UINT64_MAX);
		return 0;
	}
	const char *why = what_else(u, &code);
	say(u, name, why);
	if (!u->reason)
		u->reason = arena_print(u->s->arena, "%s %s", name, why);
	return 0;
}

/* Is it what settings ask for?  `*use` is corrected by an entry that was named. */
static bool wanted(
	struct unwrap *u, const char *name, struct str node, bool sure, enum name_use *use)
{
	const char *inside = layers_top(&u->layers)->inside;
	const bool db = *use == NAME_DB || *use == NAME_DB_EVENTS;

	if (u->s->entry && !strcmp(u->s->entry, name)) {
		if (!db)
			*use = NAME_DB;
		return true;
	}
	if (db && u->s->entry)
		return *use == NAME_DB_EVENTS && !name_is_events(u->s->entry);
	if (!node.len || !u->s->node || name_node_is(node, u->s->node))
		return true;
	if (!db)
		return !sure;
	const char *kept = arena_copy(u->s->arena, str_from(name));
	if (!u->n_passed)
		u->first_passed = kept;
	remember(u->passed, &u->n_passed, shown(u, kept, inside));
	return false;
}

static int consider(struct unwrap_entry *entry, struct unwrap *u, bool *taken, struct err *e)
{
	char clean[NAME_SIZE];
	const struct layer *l = layers_top(&u->layers);
	const struct unwrap_member *m = &l->now;
	bool sure;

	if (++u->n_entries > UNWRAP_ENTRIES_MAX)
		return err_set(e, ERR_SPACE, "more than %d entries: no backup of etcd",
			UNWRAP_ENTRIES_MAX);
	const enum name_verdict verdict = name_clean(clean, m->name);
	if (verdict == NAME_OUTSIDE)
		return err_set(e, ERR_FORMAT,
			"an entry leads out of the archive (%s): no backup, but made to harm",
			clean);
	if (m->kind == MEMBER_DIRECTORY)
		return 0;
	if (m->kind != MEMBER_FILE || verdict != NAME_FINE) {
		const char *why = m->kind == MEMBER_LINK     ? "a link"
				  : m->kind == MEMBER_DEVICE ? "neither file nor directory"
				  : verdict == NAME_ABSOLUTE ? "an absolute name"
							     : "a name no backup has";
		say(u, clean, why);
		if (!u->reason && name_use(clean) == NAME_DB)
			u->reason = arena_print(u->s->arena, "%s is %s", clean, why);
		return 0;
	}
	enum name_use use = name_use(clean);
	const struct str whose = name_node(&sure, clean, l->inside);
	if (use == NAME_NONE && !u->s->entry)
		return 0;
	u->names_size += 4 * strlen(clean) + 64;
	if (u->names_size > NAMES_MAX)
		return err_set(e, ERR_SPACE, "names of more than %d MiB: no backup of etcd",
			NAMES_MAX >> 22);
	if (!wanted(u, clean, whose, sure, &use) || use == NAME_NONE)
		return 0;
	if (m->encrypted)
		return err_set(e, ERR_UNSUPPORTED,
			"%s is encrypted with a password: unpack it first", clean);
	const char *name = arena_copy(u->s->arena, str_from(clean));
	const char *node = whose.len ? arena_copy(u->s->arena, whose) : NULL;
	if (use == NAME_COMPANION)
		return take_companion(entry, u, name, node, taken, e);
	return look_into(entry, u, name, node, use, taken, e);
}

static const char *list(struct unwrap *u, const char *const *names, unsigned n)
{
	const char *text = "";

	for (unsigned i = 0; i < n && i < LISTED_MAX; i++)
		text = arena_print(u->s->arena, "%s%s%s", text, i ? ", " : "", names[i]);
	return n > LISTED_MAX ? arena_print(u->s->arena, "%s, and %u more", text, n - LISTED_MAX)
			      : text;
}

/* All was read; was it what a restore needs? */
static int judge(struct unwrap *u, struct err *e)
{
	u->over = true;
	if (u->n_found)
		return err_set(e, ERR_DECLINED,
			"several databases: name the node whose it shall be, or unpack the one you "
			"want: %s",
			list(u, u->found, u->n_found));
	if (u->db[0] || u->db[1] || (u->s->companions && u->companions.n))
		return 0;
	if (u->s->entry)
		return err_set(e, ERR_NOTFOUND, "no database named %s in it", u->s->entry);
	if (u->n_passed)
		return err_set(e, ERR_NOTFOUND, "no database of node %s in it, but %s", u->s->node,
			list(u, u->passed, u->n_passed));
	if (u->reason)
		return err_set(e, ERR_NOTFOUND, "no database in it: %s", u->reason);
	return err_set(
		e, ERR_NOTFOUND, "no database in it, in %ju entries", (uintmax_t)u->n_entries);
}

static int next(struct unwrap_entry *entry, struct unwrap *u, struct err *e)
{
	bool taken = false;

	if (!u->begun && begin(entry, u, &taken, e))
		return e->code;
	while (!taken) {
		if (layers_leave(&u->layers, e))
			return e->code;
		struct layer *l = layers_top(&u->layers);
		if (!l)
			return judge(u, e);
		/* What is passed over in a zip unpacks too: that is bounded, and its sums count. */
		if (l->magic == MAGIC_ZIP && l->now.kind == MEMBER_FILE && !l->now.encrypted &&
			layers_drain(&l->member, e))
			return l->inside ? err_wrap(e, "%s", l->inside) : (int)e->code;
		if (unwrap_archive_next(&l->now, l->archive, e))
			return l->inside ? err_wrap(e, "%s", l->inside) : (int)e->code;
		if (l->now.kind != MEMBER_END) {
			if (consider(entry, u, &taken, e))
				return e->code;
			continue;
		}
		if (unwrap_archive_more(l->archive))
			event_warning(u->s->listener, "unwrap",
				"%s: something follows the end of the archive and is not looked at",
				l->inside ? l->inside : u->s->name);
		layers_pop(&u->layers);
	}
	return 0;
}

int unwrap_next(struct unwrap_entry *entry, struct unwrap *u, struct err *e)
{
	*entry = (struct unwrap_entry){ .role = UNWRAP_END };
	if (u->failed.code) {
		*e = u->failed;
		return e->code;
	}
	if (u->over || !next(entry, u, e))
		return 0;
	*entry = (struct unwrap_entry){ .role = UNWRAP_END };
	return fail(u, e);
}

int unwrap_open(struct unwrap **unwrap, const struct unwrap_settings *settings,
	const struct stream *in, struct err *e)
{
	struct unwrap *u = calloc(1, sizeof *u);

	(void)e;
	if (!u)
		out_of_memory(sizeof *u);
	u->s = settings;
	u->outer = in;
	u->db_max = settings->db_max ? settings->db_max : DB_MAX;
	u->layers.memory = settings->memory ? settings->memory : UNWRAP_MEMORY;
	u->layers.unpacked_max = 4 * u->db_max + (256u << 20);
	u->companions = COMPANIONS;
	*unwrap = u;
	return 0;
}

const char *unwrap_passed(const struct unwrap *u)
{
	return u->n_passed == 1 && !u->db[0] && !u->db[1] ? u->first_passed : NULL;
}

void unwrap_close(struct unwrap *u)
{
	if (!u)
		return;
	while (u->layers.n)
		layers_pop(&u->layers);
	companions_free(&u->companions);
	free(u);
}
