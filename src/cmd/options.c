#include "cmd/options.h"

#include <stdio.h>
#include <string.h>

const struct option_row option_common_rows[] = {
	{ "help", 'h', OPTION_FLAG, offsetof(struct option_common, help), NULL,
		"say what this does and which options it takes" },
	{ "json", 0, OPTION_FLAG, offsetof(struct option_common, json), NULL,
		"one JSON object a line instead of text" },
	{ "quiet", 'q', OPTION_FLAG, offsetof(struct option_common, quiet), NULL,
		"only warnings and errors" },
	{ "verbose", 'v', OPTION_FLAG, offsetof(struct option_common, verbose), NULL,
		"details for the curious" },
	{ 0 },
};

static const struct option_row *find(const struct option_row *rows, struct str name, char letter)
{
	for (const struct option_row *r = rows; r->name; r++) {
		if (letter ? r->letter == letter : str_is(name, r->name))
			return r;
	}
	return NULL;
}

static int unknown(struct err *e, const struct option_row *rows, struct str name)
{
	const char *nearest = NULL;
	size_t best = name.len / 3 + 2;
	const struct option_row *tables[] = { option_common_rows, rows };

	for (size_t t = 0; t < 2; t++) {
		for (const struct option_row *r = tables[t]; r->name; r++) {
			const size_t d = str_distance(name, str_from(r->name));
			if (d < best) {
				best = d;
				nearest = r->name;
			}
		}
	}
	if (nearest)
		return err_set(e, ERR_USAGE, "unknown option --%.*s, did you mean --%s?",
			STR_ARG(name), nearest);
	return err_set(e, ERR_USAGE, "unknown option --%.*s", STR_ARG(name));
}

static int set_size(uint64_t *value, struct str text, const char *name, struct err *e)
{
	static const char units[] = "KMGT";
	unsigned shift = 0;
	struct str digits = text;

	if (digits.len > 1 && digits.p[digits.len - 1] == 'i')
		digits.len--;
	const char *unit = digits.len ? memchr(units, digits.p[digits.len - 1], 4) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		digits.len--;
	}
	if ((!unit && digits.len != text.len) || !str_u64(value, digits, 10, UINT64_MAX >> shift))
		return err_set(e, ERR_USAGE, "--%s: '%.*s' is no size; say 512M or 2G", name,
			STR_ARG(text));
	*value <<= shift;
	return 0;
}

static int set(void *fields, const struct option_row *row, const char *value, struct err *e)
{
	void *field = (char *)fields + row->field;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)field = value;
		return 0;
	case OPTION_U64:
		if (!str_u64(field, str_from(value), 10, UINT64_MAX))
			return err_set(e, ERR_USAGE, "--%s: '%s' is no number", row->name, value);
		return 0;
	case OPTION_SIZE:
		return set_size(field, str_from(value), row->name, e);
	case OPTION_LIST: {
		struct option_list *list = field;
		if (list->n == sizeof list->v / sizeof *list->v)
			return err_set(e, ERR_USAGE, "--%s is given more than %zu times", row->name,
				list->n);
		list->v[list->n++] = value;
		return 0;
	}
	}
	return err_set(e, ERR_BUG, "option --%s has no kind", row->name);
}

static int parse_one(
	int *at, void *fields, const struct option_row *rows, int argc, char **argv, struct err *e)
{
	const struct str word = str_from(argv[*at]);
	const bool is_long = str_starts(word, STR("--"));
	struct str name, value = { 0 };
	bool has_value = false;

	name = (struct str){ word.p + (is_long ? 2 : 1), word.len - (is_long ? 2 : 1) };
	const char letter = is_long ? 0 : name.p[0];
	if (is_long)
		has_value = str_cut(&name, &value, name, '=');

	const struct option_row *row = find(rows, name, letter);
	if (!row)
		row = find(option_common_rows, name, letter);
	if (!row && is_long)
		return unknown(e, rows, name);
	if (!row)
		return err_set(e, ERR_USAGE, "unknown option -%c", letter);
	if (!is_long && name.len > 1) {
		if (row->kind == OPTION_FLAG)
			return err_set(e, ERR_USAGE, "%s: give single letters one by one", word.p);
		has_value = true;
		value = (struct str){ name.p + 1, name.len - 1 };
	}
	if (row->kind == OPTION_FLAG) {
		/* Go's flags, which etcdutl has, take --flag=true and --flag=false. */
		if (has_value && str_is(value, "false")) {
			*(bool *)(void *)((char *)fields + row->field) = false;
			return 0;
		}
		if (has_value && !str_is(value, "true"))
			return err_set(e, ERR_USAGE, "--%s takes no value", row->name);
	} else if (!has_value) {
		if (*at + 1 >= argc)
			return err_set(e, ERR_USAGE, "--%s wants %s", row->name, row->argument);
		value = str_from(argv[++*at]);
	}
	return set(fields, row, value.p, e);
}

int options_parse(size_t *n_operands, void *fields, const struct option_row *rows, int argc,
	char **argv, struct err *e)
{
	size_t n = 0;
	bool ended = false;

	for (int i = 1; i < argc; i++) {
		if (ended || argv[i][0] != '-' || !argv[i][1])
			argv[n++] = argv[i];
		else if (!strcmp(argv[i], "--"))
			ended = true;
		else if (parse_one(&i, fields, rows, argc, argv, e))
			return e->code;
	}
	*n_operands = n;
	return 0;
}

int options_describe(struct buf *out, const struct option_row *rows, struct err *e)
{
	for (const struct option_row *r = rows; r->name; r++) {
		char head[64];
		int n = r->letter ? snprintf(head, sizeof head, "-%c, --%s", r->letter, r->name)
				  : snprintf(head, sizeof head, "    --%s", r->name);
		if (r->argument && n > 0 && (size_t)n < sizeof head)
			snprintf(head + n, sizeof head - (size_t)n, " %s", r->argument);
		if (buf_print(out, e, "  %-34s  %s\n", head, r->help))
			return e->code;
	}
	return 0;
}
