/* `list`: what lies at a place, which one would be taken, and why not the others. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/output.h"
#include "cmd/signals.h"
#include "cmd/source_options.h"
#include "codec/json.h"
#include "codec/rfc3339.h"

enum { OUTPUT_LIMIT = 64 << 20, ROWS = 1000, COLUMNS = 6 };

struct options {
	struct option_common common;
	struct source_options source;
	bool all;
};

static const struct option_row rows[] = {
	SOURCE_OPTION_ROWS,
	{ "all", 'a', OPTION_FLAG, offsetof(struct options, all), NULL,
		"also what is no snapshot, and more than 1000 of them" },
	{ 0 },
};

static const char *role_word(const struct catalogue_item *i)
{
	switch (i->name.role) {
	case CATALOGUE_DATABASE:
		return i->object->place ? "place" : "snapshot";
	case CATALOGUE_EVENTS:
		return "events";
	case CATALOGUE_COMPANION:
		return "companion";
	case CATALOGUE_INCREMENT:
		return "increment";
	case CATALOGUE_SIDECAR:
		return "sha256";
	case CATALOGUE_ALIEN:
		break;
	}
	return "other";
}

static void json_item(struct json *j, const struct catalogue *c, size_t i, int64_t now)
{
	const struct catalogue_item *item = &c->v[i];
	char time[RFC3339_SIZE];

	json_open(j, '{');
	json_key_text(j, "event", "object");
	json_key_text(j, "name", item->shown);
	json_key_text(j, "url", item->object->url);
	json_key_text(j, "role", role_word(item));
	json_key_text(j, "kind", *item->name.kind ? item->name.kind : NULL);
	json_key(j, "size");
	if (item->object->size == UINT64_MAX)
		json_null(j);
	else
		json_u64(j, item->object->size);
	rfc3339_format(time, item->time);
	json_key_text(j, "time", item->time ? time : NULL);
	json_key_text(j, "timeFrom", !item->time ? NULL : item->time_in_name ? "name" : "modified");
	json_key(j, "age");
	if (item->age_time)
		json_i64(j, now - item->age_time);
	else
		json_null(j);
	json_key(j, "node");
	if (item->name.node.len)
		json_str(j, item->name.node);
	else
		json_null(j);
	json_key_str(j, "folder", item->name.folder);
	json_key(j, "rank");
	if (i < c->n_usable)
		json_u64(j, i + 1);
	else
		json_null(j);
	json_key_text(j, "why", i ? item->why : item->why ? item->why : c->reason);
	json_key_text(j, "doubt", item->doubt);
	json_key_text(j, "partner", item->partner ? item->partner->name : NULL);
	json_key_text(j, "events", item->events ? item->events->name : NULL);
	json_key_text(j, "sha256", item->sidecar ? item->sidecar->name : NULL);
	json_key_text(j, "version", item->object->version);
	json_key_text(j, "note", item->object->note);
	json_close(j, '}');
}

static int print_json(struct buf *out, const struct choose *choose, bool all, struct err *e)
{
	const struct catalogue *c = &choose->place.catalogue;
	const size_t n = all ? c->n : c->n_usable + c->n_passed;

	for (size_t i = 0; i < n; i++) {
		struct json j = JSON(out);
		json_item(&j, c, i, choose->wish.catalogue.now);
		if (json_end(&j, e) || buf_add(out, "\n", 1, e))
			return e->code;
	}
	return 0;
}

static const char *remark(struct arena *a, const struct catalogue *c, size_t i)
{
	const struct catalogue_item *item = &c->v[i];
	const char *with = "";

	if (item->why)
		return arena_print(a, "no: %s", item->why);
	if (item->partner || item->events)
		with = arena_print(
			a, "with %s", item->partner ? item->partner->name : item->events->name);
	const char *said = item->doubt ? item->doubt : with;
	if (i)
		return said;
	return arena_print(a, "<- %s%s%s", c->reason, *said ? "; " : "", said);
}

static const char *cell_time(struct arena *a, const struct catalogue_item *i)
{
	char *text = arena_alloc(a, RFC3339_SIZE);

	if (!i->time)
		return "-";
	rfc3339_format(text, i->time);
	return text;
}

/* Columns as wide as what stands in them; the last one runs out as it likes. */
static int print_cells(struct buf *out, const char *const *cells, size_t n_rows, struct err *e)
{
	size_t width[COLUMNS] = { 0 };

	for (size_t i = 0; i < n_rows * COLUMNS; i++) {
		const size_t len = strlen(cells[i]);
		width[i % COLUMNS] = len > width[i % COLUMNS] ? len : width[i % COLUMNS];
	}
	for (size_t i = 0; i < n_rows * COLUMNS; i++) {
		const size_t column = i % COLUMNS;
		const bool right = column == 1 || column == 2;
		if (column == COLUMNS - 1) {
			if (buf_print(out, e, "%s", cells[i]))
				return e->code;
			while (out->len && out->p[out->len - 1] == ' ')
				out->len--;
			if (buf_add(out, "\n", 1, e))
				return e->code;
		} else if (buf_print(out, e, right ? "%*s  " : "%-*s  ", (int)width[column],
				   cells[i])) {
			return e->code;
		}
	}
	return 0;
}

static int print_table(
	struct buf *out, struct app *app, const struct choose *choose, bool all, struct err *e)
{
	static const char *const heads[COLUMNS] = { "TIME", "AGE", "SIZE", "KIND", "NAME", "" };
	const struct catalogue *c = &choose->place.catalogue;
	const size_t there = all ? c->n : c->n_usable + c->n_passed;
	const size_t n = all || there < ROWS ? there : ROWS;
	const char **cells = arena_array(app->arena, (n + 1) * COLUMNS, sizeof *cells);

	memcpy(cells, heads, sizeof heads);
	for (size_t i = 0; i < n; i++) {
		const struct catalogue_item *item = &c->v[i];
		const int64_t now = choose->wish.catalogue.now;
		/* A name without a zone may be ahead; then the file's own time tells more. */
		const int64_t age = now - (item->time > now ? item->age_time : item->time);
		const char **row = cells + (i + 1) * COLUMNS;
		row[0] = cell_time(app->arena, item);
		row[1] = !item->time ? "-"
			 : age < 0   ? "future"
				     : arena_print(app->arena, "%s", catalogue_span(age).text);
		row[2] = item->object->size == UINT64_MAX
				 ? "-"
				 : arena_print(
					   app->arena, "%s", output_size(item->object->size).text);
		row[3] = *item->name.kind ? item->name.kind : "-";
		row[4] = item->shown;
		row[5] = remark(app->arena, c, i);
	}
	if (n && print_cells(out, cells, n + 1, e))
		return e->code;
	if (there > n && buf_print(out, e, "and %zu more; --all shows them\n", there - n))
		return e->code;
	if (!all && c->n > there &&
		buf_print(out, e, "%zu other things lie there; --all shows them\n", c->n - there))
		return e->code;
	return 0;
}

static int run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);
	CLEAN_SETTINGS struct settings settings = { 0 };
	CLEAN_CHOOSE struct choose choose = { 0 };
	const char *address = app->n_operands ? app->operands[0] : NULL;
	const struct catalogue_item *first;

	/* A volume that was made to look at a snapshot goes again, also then. */
	if (address && !strncasecmp(address, "ebs:", 4))
		signals_notice();
	if (source_options_open(&choose, &settings, app, &o->source, address, e) ||
		signals_go_on(NULL, e)) {
		if (signals_go_on(NULL, e))
			app->status = 128 + signals_number();
		return e->code;
	}
	const struct catalogue *c = &choose.place.catalogue;
	if (o->common.json ? print_json(&out, &choose, o->all, e)
			   : print_table(&out, app, &choose, o->all, e))
		return e->code;
	output_tame(&out);
	if (app_print(&out, e))
		return e->code;
	choose_tell(&choose);
	/* The listing is printed in any case; the status says whether there is one to take. */
	return catalogue_choose(&first, c, &choose.wish.catalogue, choose.place.shown, e);
}

const struct applet applet_list = {
	.name = "list",
	.purpose = "show the snapshots at a place, and which one would be taken",
	.operands = "[URL]",
	.about = "URL is s3://BUCKET/PREFIX, https://HOST/PATH/, sftp://USER@HOST/PATH, a "
		 "directory,\n"
		 "dev:/dev/NAME:/PATH, label:LABEL:/PATH or ebs:. The one that fetch and restore\n"
		 "would take stands first, with the reason; then the others by age; then those\n"
		 "that would be passed over, each with what is wrong with it. Exit status 0 when\n"
		 "there is one to take.",
	.options = rows,
	.options_size = sizeof(struct options),
	.max_operands = 1,
	.run = run,
};
