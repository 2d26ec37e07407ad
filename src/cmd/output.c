#include "cmd/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int output_bad_args(struct app *app, struct err *e)
{
	app->status = EXIT_BAD_ARGS;
	return e->code;
}

int output_parse(enum output_format *format, const struct app *app, const char *text, struct err *e)
{
	static const char *const words[] = {
		[OUTPUT_SIMPLE] = "simple",
		[OUTPUT_JSON] = "json",
		[OUTPUT_TABLE] = "table",
		[OUTPUT_FIELDS] = "fields",
	};
	const struct option_common *common = app->options;

	*format = common->json ? OUTPUT_JSON : OUTPUT_SIMPLE;
	if (!text)
		return 0;
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		if (!strcmp(text, words[i])) {
			*format = i;
			return 0;
		}
	}
	err_set(e, ERR_USAGE,
		"unsupported output format '%s', there are simple, json, table, fields", text);
	return e->code;
}

int output_bad_format(struct app *app, struct err *e)
{
	app->status = EXIT_BAD_FEATURE;
	return e->code;
}

int output_one_operand(struct app *app, const char *command, struct err *e)
{
	if (app->n_operands == 1)
		return 0;
	err_set(e, ERR_USAGE, "%s requires exactly one argument", command);
	return output_bad_args(app, e);
}

void output_tame(struct buf *out)
{
	for (size_t i = 0; i < out->len; i++) {
		const uint8_t c = out->p[i];
		/* A line end of another system belongs to a diff, and is harmless. */
		const bool end = c == '\r' && i + 1 < out->len && out->p[i + 1] == '\n';
		if ((c < 0x20 && c != '\n' && c != '\t' && !end) || c == 0x7f)
			out->p[i] = '?';
	}
}

/* Tenths to wholes as Go's %.0f does it: 20.5 is 20, 21.5 is 22. */
static uint64_t half_even(uint64_t tenths)
{
	const uint64_t whole = tenths / 10, rest = tenths % 10;

	return whole + (rest > 5 || (rest == 5 && whole % 2));
}

struct output_size output_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	struct output_size out;
	uint64_t unit = 1;
	unsigned i = 0;

	while (i < 6 && bytes / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	/* humanize rounds to tenths, half up, shows them below ten, and rounds again above. */
	const uint64_t tenths = bytes / unit * 10 + (bytes % unit * 10 + unit / 2) / unit;
	if (!i)
		snprintf(out.text, sizeof out.text, "%" PRIu64 " B", bytes);
	else if (tenths < 100)
		snprintf(out.text, sizeof out.text, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
			tenths % 10, units[i]);
	else
		snprintf(out.text, sizeof out.text, "%" PRIu64 " %s", half_even(tenths), units[i]);
	return out;
}

/* Columns are as wide as bytes, not characters: what stands here is ASCII. */
static size_t width_of(size_t column, size_t n_columns, size_t n_rows, const char *const *cells)
{
	size_t width = 0;

	for (size_t row = 0; row <= n_rows; row++) {
		const size_t len = strlen(cells[row * n_columns + column]);
		width = len > width ? len : width;
	}
	return width;
}

static bool is_figure(const char *text)
{
	const size_t digits = strspn(text, "0123456789.");
	const size_t blank = text[digits] == ' ';
	const char *unit = text + digits + blank;

	/* tablewriter's idea of a number: digits, perhaps a unit behind a blank. */
	return digits && (!*unit || (blank && strlen(unit) <= 2));
}

static int rule(
	struct buf *out, size_t n_columns, size_t n_rows, const char *const *cells, struct err *e)
{
	static const char dashes[] =
		"--------------------------------------------------------------";

	for (size_t c = 0; c < n_columns; c++) {
		size_t left = width_of(c, n_columns, n_rows, cells) + 2;
		if (buf_add(out, "+", 1, e))
			return e->code;
		while (left) {
			const size_t n = left < sizeof dashes - 1 ? left : sizeof dashes - 1;
			if (buf_add(out, dashes, n, e))
				return e->code;
			left -= n;
		}
	}
	return buf_add(out, "+\n", 2, e);
}

int output_table(
	struct buf *out, size_t n_columns, size_t n_rows, const char *const *cells, struct err *e)
{
	if (rule(out, n_columns, n_rows, cells, e))
		return e->code;
	for (size_t row = 0; row <= n_rows; row++) {
		for (size_t c = 0; c < n_columns; c++) {
			const char *text = cells[row * n_columns + c];
			const size_t pad = width_of(c, n_columns, n_rows, cells) - strlen(text);
			const size_t before = !row ? pad / 2 : is_figure(text) ? pad : 0;
			if (buf_print(out, e, "| %*s%s%*s ", (int)before, "", text,
				    (int)(pad - before), ""))
				return e->code;
		}
		if (buf_add(out, "|\n", 2, e))
			return e->code;
		if (!row && rule(out, n_columns, n_rows, cells, e))
			return e->code;
	}
	return rule(out, n_columns, n_rows, cells, e);
}
