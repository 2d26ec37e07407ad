#include "cmd/restore_source.h"

#include <string.h>
#include <sys/stat.h>

#include "cmd/signals.h"

static const char step[] = "restore";

static int take(struct etcd_restore_result *result, struct choose *c, const struct etcd_restore *r,
	struct app *app, struct err *e)
{
	CLEAN_FEED struct feed feed = { 0 };
	const struct feed_settings extra = { .step = step, .stopped = signals_go_on };
	struct feed_hush hush;
	const struct listener quiet = feed_hush(&hush, app->listener);

	if (fetch_feed(&feed, c, &extra, e))
		return e->code;
	const struct stream stream = feed_stream(&feed);
	return etcd_restore_run(result, app->arena, r, &stream, &quiet, e)
		       ? err_wrap(e, "%s", c->item->shown)
		       : 0;
}

int restore_source(struct etcd_restore_result *result, const struct etcd_restore *r,
	struct app *app, const struct source_options *o, const char *address, struct err *e)
{
	CLEAN_SETTINGS struct settings settings = { 0 };
	CLEAN_CHOOSE struct choose choose = { 0 };

	/* What is wrong here is told before anybody is asked. */
	if (etcd_restore_check(result, app->arena, r, e) ||
		source_options_open(&choose, &settings, app, o, address, e))
		return e->code;
	for (;;) {
		if (!choose_next(&choose, e)) {
			const struct arena_mark mark = arena_mark(app->arena);
			if (!take(result, &choose, r, app, e))
				return 0;
			arena_release(app->arena, mark);
		}
		if (!choose_again(&choose, e))
			return e->code;
	}
}

/* The directory nearest to a path that need not exist yet. */
static const char *nearest_directory(struct arena *a, const char *path)
{
	char *dir = arena_copy(a, str_from(path));
	struct stat st;

	while (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		char *slash = strrchr(dir, '/');
		if (!slash)
			return ".";
		if (slash == dir)
			return "/";
		*slash = '\0';
	}
	return dir;
}

int restore_source_hold(struct fetch_held *held, struct app *app, const struct source_options *o,
	const char *near, bool skip_hash, struct err *e)
{
	CLEAN_SETTINGS struct settings settings = { 0 };
	CLEAN_CHOOSE struct choose choose = { 0 };
	const char **operand = arena_alloc(app->arena, sizeof *operand);
	const struct fetch_wish wish = {
		.to = arena_print(
			app->arena, "%s/.etcd-rescue", nearest_directory(app->arena, near)),
		.skip_hash = skip_hash,
		.replace = true,
		.stopped = signals_go_on,
	};

	if (source_options_open(&choose, &settings, app, o, app->operands[0], e) ||
		fetch_hold(held, &choose, &wish, e))
		return e->code;
	*operand = held->path;
	app->operands = operand;
	return 0;
}
