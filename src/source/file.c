/* Files and directories of this machine as a place of snapshots; shares that are mounted, too.
 *
 * The path is taken as it stands: "%20" is three characters, as in a shell.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/local.h"

enum { ARENA_BYTES = 64 * 1024, PATH_BYTES = 4096 };

struct place {
	struct source base;
	struct arena arena;
	struct local local;
};

/* A path without a slash in front is meant from where the person stands, if that is below our
 * root at all. */
static int from_here(const char **path, struct arena *a, const struct root *root, struct err *e)
{
	struct stat ours, top;
	char here[PATH_BYTES];

	if (**path == '/')
		return 0;
	if (fstat(root->fd, &ours) || stat("/", &top) || ours.st_dev != top.st_dev ||
		ours.st_ino != top.st_ino) {
		*path = arena_print(a, "/%s", *path);
		return 0;
	}
	if (!getcwd(here, sizeof here))
		return err_sys(e, "the directory we are in");
	*path = arena_print(a, "%s/%s", here, *path);
	return 0;
}

static void close_place(struct source *source)
{
	struct arena all = ((struct place *)source)->arena; /* and the place in it */

	arena_free(&all);
}

static int open_place(struct source **source, const struct source_settings *settings, struct err *e)
{
	struct arena arena = ARENA(ARENA_BYTES);
	struct place *p = arena_alloc(&arena, sizeof *p);
	const char *path = settings->url;
	int result = 0;

	if (!strncasecmp(path, "file:", 5))
		path += 5;
	if (!strncmp(path, "///", 3))
		path += 2;
	if (!*path || strlen(path) >= PATH_BYTES)
		result = err_set(e, ERR_USAGE, "file: is followed by a path, as in file:/backup");
	else if (!strncmp(path, "//", 2))
		result = err_set(e, ERR_USAGE,
			"file: names no host; mount the share and give its path, as in "
			"file:/mnt/backup");
	else
		result = from_here(&path, &arena, settings->root, e);
	if (result) {
		arena_free(&arena);
		return result;
	}
	p->base.settings = settings;
	p->local = (struct local){ settings->root, arena_copy(&arena, str_from(path)),
		"file:", settings->listener };
	p->arena = arena;
	*source = &p->base;
	return 0;
}

static int list_place(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	return local_list(objects, a, &((struct place *)source)->local, e);
}

static int read_place(struct source *source, struct stream *stream,
	const struct source_object *object, struct err *e)
{
	return local_read(stream, &((struct place *)source)->local, object->url, e);
}

const struct source_kind source_file = { "file", open_place, list_place, read_place, close_place };
