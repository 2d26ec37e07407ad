/* `fetch`: one snapshot from a place into a file, proved. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/output.h"
#include "cmd/signals.h"
#include "cmd/source_options.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "codec/text.h"
#include "plan/fetch.h"

enum { OUTPUT_LIMIT = 1 << 20 };

struct options {
	struct option_common common;
	struct source_options source;
	const char *output;
	bool force, skip_hash;
};

static const struct option_row rows[] = {
	SOURCE_OPTION_ROWS,
	{ "output", 'o', OPTION_TEXT, offsetof(struct options, output), "FILE|DIR/",
		"where to; a directory takes all that belongs to the snapshot (its own name)" },
	{ "force", 0, OPTION_FLAG, offsetof(struct options, force), NULL,
		"replace files that are there" },
	{ "skip-hash-check", 0, OPTION_FLAG, offsetof(struct options, skip_hash), NULL,
		"for a copied member/snap/db; every page is checked instead" },
	{ 0 },
};

static bool is_directory(const char *path)
{
	const size_t n = strlen(path);
	struct stat st;

	return (n && path[n - 1] == '/') || (!stat(path, &st) && S_ISDIR(st.st_mode));
}

static const char *hex(struct arena *a, const uint8_t *digest)
{
	CLEAN_BUF struct buf text = BUF(2 * CODEC_SHA256_SIZE);
	struct err ignored;

	codec_text_hex(&text, (struct span){ digest, CODEC_SHA256_SIZE }, &ignored);
	return arena_copy(a, buf_text(&text));
}

static void json_database(struct json *j, struct arena *a, const struct fetch_database *db)
{
	json_key_text(j, "file", db->path);
	json_key_u64(j, "size", db->size);
	json_key(j, "revision");
	json_i64(j, db->revision);
	json_key_u64(j, "entries", db->entries);
	json_key_text(j, "sha256", hex(a, db->sha256));
	json_key_bool(j, "verified", db->verified);
}

static int print_json(struct buf *out, struct arena *a, const struct fetch_result *r,
	const struct choose *c, struct err *e)
{
	struct json j = JSON(out);
	char time[RFC3339_SIZE];

	rfc3339_format(time, c->item->time);
	json_open(&j, '{');
	json_key_text(&j, "event", "fetched");
	json_database(&j, a, &r->main);
	json_key_text(&j, "from", r->from);
	json_key_text(&j, "name", c->item->shown);
	json_key_text(&j, "inside", r->inside);
	json_key_text(&j, "wrapping", r->wrapping);
	json_key_text(&j, "time", c->item->time ? time : NULL);
	json_key_u64(&j, "received", r->came);
	json_key_u64(&j, "tries", r->tries);
	json_key(&j, "events");
	if (r->events.path) {
		json_open(&j, '{');
		json_database(&j, a, &r->events);
		json_close(&j, '}');
	} else {
		json_null(&j);
	}
	json_key(&j, "others");
	json_open(&j, '[');
	for (size_t i = 0; i < r->n_others; i++)
		json_text(&j, r->others[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_database(
	struct buf *out, struct arena *a, const struct fetch_database *db, struct err *e)
{
	return buf_print(out, e, "%s: revision %" PRId64 ", %" PRIu64 " entries, %s, sha256 %s%s",
		db->path, db->revision, db->entries, output_size(db->size).text, hex(a, db->sha256),
		db->verified ? "" : " (its own was not compared)");
}

static int print_text(struct buf *out, struct arena *a, const struct fetch_result *r, struct err *e)
{
	if (print_database(out, a, &r->main, e) ||
		buf_print(out, e, ", from %s%s%s\n", r->from, r->inside ? " " : "",
			r->inside ? r->inside : ""))
		return e->code;
	if (r->events.path && (print_database(out, a, &r->events, e) || buf_add(out, "\n", 1, e)))
		return e->code;
	for (size_t i = 0; i < r->n_others; i++) {
		if (buf_print(out, e, "%s\n", r->others[i]))
			return e->code;
	}
	return 0;
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	CLEAN_SETTINGS struct settings settings = { 0 };
	CLEAN_CHOOSE struct choose choose = { 0 };
	const char *address = app->n_operands ? app->operands[0] : NULL;
	const struct fetch_wish wish = { .to = o->output,
		.whole = o->output && is_directory(o->output),
		.replace = o->force,
		.skip_hash = o->skip_hash,
		.stopped = signals_go_on };
	struct fetch_result result = { 0 };

	if (o->output && !*o->output)
		return err_set(e, ERR_USAGE, "--output: the name is empty");
	signals_notice();
	if (source_options_open(&choose, &settings, app, &o->source, address, e) ||
		fetch_run(&result, &choose, &wish, e)) {
		/* Whatever a read that was cut short says of it. */
		if (signals_go_on(NULL, e))
			app->status = 128 + signals_number();
		return e->code;
	}
	if (result.n_left)
		event_info(app->listener, "fetch",
			"%zu more things belong to it; -o DIR/ fetches them too", result.n_left);
	if (o->common.json ? print_json(&out, app->arena, &result, &choose, e)
			   : print_text(&out, app->arena, &result, e))
		return e->code;
	output_tame(&out);
	return app_print(&out, e);
}

const struct applet applet_fetch = {
	.name = "fetch",
	.purpose = "bring one snapshot from a place into a file, proved",
	.operands = "[URL]",
	.about = "Takes the snapshot that list shows first, or the one that --snapshot says,\n"
		 "unpacks it and checks its SHA-256, every page and every entry while it comes.\n"
		 "The file gets its name when all of that was right; on failure nothing is left.\n"
		 "A snapshot that turns out bad is dropped for the next one, aloud, unless it was\n"
		 "named. A file that is there is not replaced without --force.",
	.options = rows,
	.options_size = sizeof(struct options),
	.max_operands = 1,
	.run = run,
};
