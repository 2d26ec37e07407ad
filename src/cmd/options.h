/* cmd/options.h - option tables: the parser, --help, man page and completion read them
 *
 * An applet names its options as rows; `field` is the offset of the value in the applet's
 * own struct of options.  Long options take "--name VALUE" and "--name=VALUE"; "--" ends
 * them; an abbreviation is refused, with the nearest known name.
 *
 * Source:     getopt_long(3) for what people expect of options.
 * Units:      OPTION_SIZE takes K, M, G, T (and Ki, Mi, Gi, Ti), powers of 1024.
 * Ownership:  texts borrow from argv.
 * Errors:     ERR_USAGE, naming the option; the caller then shows how to get help.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum option_kind {
	OPTION_FLAG, /* bool */
	OPTION_TEXT, /* const char * */
	OPTION_U64,  /* uint64_t */
	OPTION_SIZE, /* uint64_t, bytes */
	OPTION_LIST, /* struct option_list: may be given again */
};

struct option_list {
	const char *v[64];
	size_t n;
};

struct option_row {
	const char *name; /* without the dashes; NULL ends a table */
	char letter;      /* 0: none */
	enum option_kind kind;
	size_t field;
	const char *argument; /* what --help calls the value; NULL for flags */
	const char *help;
};

/* Every applet takes these, in this order, at the start of its struct of options. */
struct option_common {
	bool help, json, quiet, verbose;
};
extern const struct option_row option_common_rows[];

/* Parse argv[1..] into `fields`; what is not an option is moved to the front of argv and
 * counted in `*n_operands`. */
int options_parse(size_t *n_operands, void *fields, const struct option_row *rows, int argc,
	char **argv, struct err *e);

/* One line a row, as in --help. */
int options_describe(struct buf *out, const struct option_row *rows, struct err *e);
