/* cmd/output.h - etcdutl's output formats: simple, json, table, fields
 *
 * Source:     etcdutl/etcdutl/printer.go, 3.6.12; olekukonko/tablewriter as it uses it;
 *             dustin/go-humanize (Bytes).
 * Units:      bytes.
 * Ownership:  borrows all texts.
 * Errors:     ERR_USAGE with etcdutl's words, and its exit status in the app.
 */
#pragma once

#include "base/buf.h"
#include "cmd/applets.h"

enum output_format { OUTPUT_SIMPLE, OUTPUT_JSON, OUTPUT_TABLE, OUTPUT_FIELDS };

/* pkg/cobrautl/error.go: ExitBadFeature, ExitBadArgs */
enum { EXIT_BAD_FEATURE = 4, EXIT_BAD_ARGS = 128 };

/* `text` is the value of -w; NULL: simple, or json when --json was given. */
int output_parse(
	enum output_format *format, const struct app *app, const char *text, struct err *e);

/* "9.3 MB": powers of 1000, a decimal below ten. */
struct output_size {
	char text[24];
};
struct output_size output_size(uint64_t bytes);

/* A framed table; `cells` holds a row of headings, then the rows; cells that are
 * figures stand to the right. */
int output_table(
	struct buf *out, size_t n_columns, size_t n_rows, const char *const *cells, struct err *e);

/* ERR_USAGE "COMMAND requires exactly one argument", and 128, unless there is one. */
int output_one_operand(struct app *app, const char *command, struct err *e);

/* What would steer a terminal, out of names in a hostile file, becomes '?'; lines and tabs stay. */
void output_tame(struct buf *out);

/* For commands that etcdutl has too, an error gets its exit status: wrong arguments 128, a
 * format that there is not 4. */
int output_bad_args(struct app *app, struct err *e);
int output_bad_format(struct app *app, struct err *e);
