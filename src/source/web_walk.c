/* The index pages of a directory and of the folders below it. */
#include <string.h>

#include "source/unwrap_names.h"
#include "source/web.h"
#include "source/web_index.h"

enum {
	INDEX_TEXTS_MAX = 160 << 20,
	INDEX_MS = 60000,
	DEPTH_MAX = 3,   /* of folders below the address */
	PAGES_MAX = 100, /* of all of them */
	OBJECTS_MAX = 20000,
	NAMES_MAX = 32 << 20,
	LOOKED_AT = 8, /* newest objects of an index whose size is asked for */
};

static bool may_matter(const struct source_object *o)
{
	const enum name_use use = name_use(o->name);

	return o->size == UINT64_MAX &&
	       (use == NAME_DB || use == NAME_DB_EVENTS || use == NAME_ARCHIVE);
}

static bool is_newer(const struct source_object *a, const struct source_object *b)
{
	return a->modified != b->modified ? a->modified > b->modified
					  : strcmp(a->name, b->name) > 0;
}

/* Sizes of the newest, which their page did not tell; what cannot be had stays unknown. */
static void look_at_newest(struct web *w, struct source_objects *objects, struct arena *a)
{
	struct source_object *last = NULL;

	for (unsigned n = 0; n < LOOKED_AT; n++) {
		struct source_object *best = NULL;
		for (size_t i = 0; i < objects->n; i++) {
			struct source_object *o = &objects->v[i];
			if (may_matter(o) && (!last || is_newer(last, o)) &&
				(!best || is_newer(o, best)))
				best = o;
		}
		if (!best)
			return;
		last = best;
		struct http_request q = web_question(w, best->url);
		struct http_response r;
		struct err ignored;
		q.head = true;
		if (!http_get(&r, &q, &ignored))
			web_set_object(best, a, &r);
	}
}

/* One page: its files to `objects`, its folders to the end of `folders`. */
struct walk {
	struct web *w;
	struct source_objects *objects;
	struct arena *a;
	size_t room;
	struct {
		const char *name, *path; /* below the address, with a slash; decoded, encoded */
		unsigned depth;
	} folders[PAGES_MAX];
	size_t n_folders, texts; /* bytes of names */
};

static void take_entry(struct walk *k, size_t page, const struct web_entry *entry)
{
	struct source_objects *o = k->objects;
	const char *name = arena_print(k->a, "%s%s", k->folders[page].name, entry->name);
	const char *path = arena_print(k->a, "%s%s", k->folders[page].path, entry->path);
	const unsigned depth = k->folders[page].depth;

	k->texts += 2 * strlen(name) + 3 * strlen(path) + strlen(k->w->shown);
	if (k->texts > NAMES_MAX) {
		o->cut = true;
		return;
	}
	if (entry->place) {
		if (depth == DEPTH_MAX)
			return;
		if (k->n_folders == PAGES_MAX) {
			o->cut = true;
			return;
		}
		k->folders[k->n_folders].name = arena_print(k->a, "%s/", name);
		k->folders[k->n_folders].path = path;
		k->folders[k->n_folders++].depth = depth + 1;
		return;
	}
	if (o->n == OBJECTS_MAX) {
		o->cut = true;
		return;
	}
	if (o->n == k->room) {
		const size_t room = k->room ? 2 * k->room : 64;
		struct source_object *more = arena_array(k->a, room, sizeof *more);
		if (o->n)
			memcpy(more, o->v, o->n * sizeof *more);
		o->v = more;
		k->room = room;
	}
	o->v[o->n++] = (struct source_object){
		.name = name,
		.url = arena_print(k->a, "%s%s", k->w->shown, path),
		.size = entry->size,
		.modified = entry->modified,
	};
}

static int read_page(struct walk *k, size_t page, struct err *e)
{
	struct web *w = k->w;
	struct arena texts = ARENA(INDEX_TEXTS_MAX);
	struct buf body CLEAN_BUF = BUF(WEB_INDEX_MAX);
	struct http_response r;
	struct web_index index;
	struct url url;

	w->asked = page ? arena_print(k->a, "%s%s", w->shown, k->folders[page].path) : w->shown;
	const struct http_request q = web_question(w, page ? w->asked : w->full);
	int bad = http_get_buf(&body, &r, &q, INDEX_MS, e);
	if (bad)
		bad = web_why(w, &r, e);
	else
		bad = url_parse(&url, str_from(w->asked), e);
	if (!bad) {
		bad = web_index_parse(&index, &texts, buf_text(&body), &url, e);
		if (bad)
			err_wrap(e, "%s", w->asked);
	}
	for (size_t i = 0; !bad && i < index.n; i++)
		take_entry(k, page, &index.v[i]);
	if (!bad)
		k->objects->cut = k->objects->cut || index.cut;
	arena_free(&texts);
	return bad;
}

int web_walk(struct web *w, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct walk k = { .w = w, .objects = objects, .a = a, .n_folders = 1 };

	k.folders[0].name = k.folders[0].path = "";
	for (size_t i = 0; i < k.n_folders; i++) {
		if (!read_page(&k, i, e))
			continue;
		if (!i)
			return e->code;
		event_warning(w->settings->listener, "source", "%s: passed over", e->text);
	}
	w->asked = w->shown;
	if (!objects->n)
		return err_set(e, ERR_NOTFOUND,
			"%s: the server's page has no links to files: is it the index of a "
			"directory (autoindex), and are there any?",
			w->shown);
	look_at_newest(w, objects, a);
	*e = (struct err){ 0 };
	return 0;
}
