#include "cmd/restore_source.h"

#include "cmd/signals.h"
#include "plan/fetch.h"

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
	while (choose_next(&choose, e) || take(result, &choose, r, app, e)) {
		if (!choose_again(&choose, e))
			return e->code;
	}
	return 0;
}
