/* Files of an SFTP server as a place of snapshots. */
#include <string.h>

#include "source/sftp_stream.h"

enum { LIST_MAX = 100000, DEPTH = 5, CONNECT_TRIES = 3, ARENA_BYTES = 1 << 20 };
enum { PATH_BYTES = 4096, NAMES_BYTES = 32 << 20 /* of one listing */ };

struct place {
	struct source base;
	struct arena arena;
	struct sftp_address address;
	struct sftp_link idle; /* logged in already; the next one to read takes it */
};

struct listing {
	struct place *place;
	struct source_objects *out;
	struct arena *arena;
	size_t room;
	size_t used_before;
};

static void close_place(struct source *source)
{
	struct place *p = (struct place *)source;

	sftp_link_close(&p->idle);
	sftp_address_wipe(&p->address);
	struct arena all = p->arena; /* and the place in it */
	arena_free(&all);
}

static int open_place(struct source **source, const struct source_settings *settings, struct err *e)
{
	struct arena arena = ARENA(ARENA_BYTES);

	if (settings->sftp.host_key && sftp_link_check_pin(settings->sftp.host_key, e))
		return e->code;
	struct place *p = arena_alloc(&arena, sizeof *p);
	p->arena = arena;
	p->base.settings = settings;
	if (sftp_address_parse(&p->address, &p->arena, settings->url, e)) {
		close_place(&p->base);
		return e->code;
	}
	*source = &p->base;
	return 0;
}

static int take_link(struct sftp_link *link, struct place *p, struct err *e)
{
	if (p->idle.sftp && ssh_is_connected(p->idle.ssh)) {
		*link = p->idle;
		p->idle = (struct sftp_link){ 0 };
		return 0;
	}
	sftp_link_close(&p->idle);
	return sftp_stream_connect(link, &p->address, p->base.settings, CONNECT_TRIES, e);
}

static void add(struct listing *l, const char *name, const sftp_attributes is)
{
	struct source_objects *out = l->out;
	const char *top = l->place->address.shown;

	if (out->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		struct source_object *more = arena_array(l->arena, l->room, sizeof *more);
		if (out->n)
			memcpy(more, out->v, out->n * sizeof *more);
		out->v = more;
	}
	const char *between = !*name || top[strlen(top) - 1] == '/' ? "" : "/";
	out->v[out->n++] = (struct source_object){
		.name = arena_copy(l->arena, str_from(name)),
		.url = arena_print(
			l->arena, "%s%s%s", top, between, sftp_address_encode(l->arena, name)),
		.size = is->flags & SSH_FILEXFER_ATTR_SIZE ? is->size : UINT64_MAX,
		.modified = is->flags & SSH_FILEXFER_ATTR_ACMODTIME ? is->mtime : 0,
	};
}

static const char *join(struct arena *a, const char *directory, const char *name)
{
	const size_t len = strlen(directory);

	return arena_print(
		a, "%s%s%s", directory, !len || directory[len - 1] == '/' ? "" : "/", name);
}

static int list_below(struct listing *l, struct sftp_link *link, const char *below, unsigned depth,
	struct err *e);

/* Hidden files are what uploads are called while they last. */
static int list_entry(struct listing *l, struct sftp_link *link, const char *below, unsigned depth,
	const sftp_attributes entry, struct err *e)
{
	const char *name = join(l->arena, below, entry->name);
	sftp_attributes is = entry;

	if (l->out->n == LIST_MAX || l->arena->used - l->used_before > NAMES_BYTES) {
		l->out->cut = true;
		return 0;
	}
	if (strlen(name) > PATH_BYTES)
		return 0;
	if (is->type == SSH_FILEXFER_TYPE_SYMLINK || is->type == SSH_FILEXFER_TYPE_UNKNOWN) {
		is = sftp_stat(link->sftp, join(l->arena, l->place->address.path, name));
		if (!is) /* leads nowhere, or where we may not go */
			return ssh_is_connected(link->ssh)
				       ? 0
				       : sftp_stream_why(link, l->place->address.path, e);
	}
	int result = 0;
	if (is->type == SSH_FILEXFER_TYPE_REGULAR)
		add(l, name, is);
	else if (is->type == SSH_FILEXFER_TYPE_DIRECTORY && is == entry && depth < DEPTH)
		result = list_below(l, link, name, depth + 1, e);
	if (is != entry)
		sftp_attributes_free(is);
	return result;
}

static int list_below(
	struct listing *l, struct sftp_link *link, const char *below, unsigned depth, struct err *e)
{
	const char *path =
		*below ? join(l->arena, l->place->address.path, below) : l->place->address.path;
	sftp_dir dir = sftp_opendir(link->sftp, path);
	sftp_attributes entry;
	int result = 0;

	if (!dir) {
		sftp_stream_why(link, path, e);
		if (!depth || e->code == ERR_NET)
			return e->code;
		event_debug(l->place->base.settings->listener, "sftp", "%s", e->text);
		return 0;
	}
	while (!result && !l->out->cut && (entry = sftp_readdir(link->sftp, dir))) {
		if (*entry->name != '.' && !strchr(entry->name, '/'))
			result = list_entry(l, link, below, depth, entry, e);
		sftp_attributes_free(entry);
	}
	if (!result && !l->out->cut && !sftp_dir_eof(dir))
		result = sftp_stream_why(link, path, e);
	if (ssh_is_connected(link->ssh))
		sftp_closedir(dir);
	return result;
}

static int list_once(struct listing *l, struct sftp_link *link, struct err *e)
{
	const char *path = l->place->address.path;
	sftp_attributes top = sftp_stat(link->sftp, path);

	*l->out = (struct source_objects){ 0 };
	l->room = 0;
	l->used_before = l->arena->used;
	if (!top)
		return sftp_stream_why(link, path, e);
	const unsigned type = top->type;
	if (type == SSH_FILEXFER_TYPE_REGULAR)
		add(l, "", top);
	sftp_attributes_free(top);
	if (type == SSH_FILEXFER_TYPE_REGULAR)
		return 0;
	if (type != SSH_FILEXFER_TYPE_DIRECTORY)
		return err_set(e, ERR_FORMAT, "%s: is neither a file nor a directory", path);
	return list_below(l, link, "", 0, e);
}

static int list_place(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct place *p = (struct place *)source;
	struct listing l = { .place = p, .out = objects, .arena = a };

	for (unsigned tries = 0;;) {
		struct sftp_link link;
		if (take_link(&link, p, e))
			return e->code;
		if (!list_once(&l, &link, e)) {
			p->idle = link;
			return 0;
		}
		sftp_link_close(&link);
		if (e->code != ERR_NET || ++tries == CONNECT_TRIES)
			return err_wrap(e, "%s", p->address.host);
		event_warning(source->settings->listener, "sftp", "%s; listing again", e->text);
	}
}

static int read_place(struct source *source, struct stream *stream,
	const struct source_object *object, struct err *e)
{
	struct place *p = (struct place *)source;
	const struct arena_mark mark = arena_mark(&p->arena);
	struct sftp_address at;
	struct sftp_link link;
	int result;

	/* Who is let in stands in the source's own address alone. */
	if (sftp_address_parse(&at, &p->arena, object->url, e))
		result = e->code;
	else if (strcmp(at.host, p->address.host) || at.port != p->address.port)
		result = err_set(e, ERR_BUG, "%s: is on another server", at.shown);
	else
		result = take_link(&link, p, e);
	if (!result && sftp_stream_open(stream, &link, &p->address, source->settings, at.path, e))
		result = err_wrap(e, "%s", p->address.host);
	arena_release(&p->arena, mark);
	return result;
}

const struct source_kind source_sftp = { "sftp", open_place, list_place, read_place, close_place };
