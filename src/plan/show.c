#include "plan/show.h"

#include <string.h>

#include "codec/rfc3339.h"
#include "net/url.h"

enum { COLUMN = 48 };

static const void *field_of(const struct schema_row *row, const void *base)
{
	return (const char *)base + row->field;
}

static const char *last_name(const struct schema_row *row)
{
	const char *dot = strrchr(row->key, '.');

	return dot ? dot + 1 : row->key;
}

static const char *word_at(struct arena *a, const char *words, unsigned at)
{
	struct str rest = str_from(words), word = { 0 };

	for (unsigned i = 0; i <= at; i++)
		str_next(&word, &rest, '|');
	return arena_copy(a, word);
}

/* A text as it may be shown. */
static const char *shown(struct arena *a, enum schema_type type, const char *text)
{
	if (type == SCHEMA_HASH)
		return "(set)";
	if ((type == SCHEMA_URL && strchr(text, ':')) || type == SCHEMA_PEER_URL)
		return url_text_shown(a, text);
	return text;
}

static const char *duration(struct arena *a, uint64_t s)
{
	if (s && s % 3600 == 0)
		return arena_print(a, "%juh", (uintmax_t)s / 3600);
	if (s && s % 60 == 0)
		return arena_print(a, "%jum", (uintmax_t)s / 60);
	return arena_print(a, "%jus", (uintmax_t)s);
}

/* The value of a row as a person would write it; NULL: not said. */
static const char *value_of(struct arena *a, const struct schema_row *row, const void *base)
{
	const void *field = field_of(row, base);
	uint64_t n;

	switch (row->type) {
	case SCHEMA_WORD:
		return word_at(a, row->words, *(const unsigned *)field);
	case SCHEMA_BOOL:
		if (*(const bool *)field)
			return "yes";
		return row->initial ? "no" : NULL;
	case SCHEMA_COUNT:
	case SCHEMA_GENERATION:
		n = *(const uint64_t *)field;
		if (n == UINT64_MAX)
			return "auto";
		return n ? arena_print(a, "%ju", (uintmax_t)n) : "no";
	case SCHEMA_TIME: {
		const int64_t t = *(const int64_t *)field;
		char *text = arena_alloc(a, RFC3339_SIZE);
		rfc3339_format(text, t);
		return t ? text : NULL;
	}
	case SCHEMA_DURATION:
		return duration(a, *(const uint64_t *)field);
	default: {
		const char *text = *(const char *const *)field;
		return text ? shown(a, row->type, text) : NULL;
	}
	}
}

/* Is anything below this row said, so that its name must be printed? */
static bool has_values(struct arena *a, const struct schema_row *row, const void *base)
{
	const size_t len = strlen(row->key);

	for (const struct schema_row *r = row + 1;
		r < schema + schema_n && !strncmp(r->key, row->key, len); r++) {
		if (r->key[len] != '.')
			break;
		if (r->shape == SCHEMA_ONE && strchr(r->key + len, '[') == NULL &&
			value_of(a, r, base))
			return true;
		if (r->shape == SCHEMA_TAGS && ((const struct plan_pairs *)field_of(r, base))->n)
			return true;
		if (r->shape == SCHEMA_ITEMS && ((const struct plan_members *)field_of(r, base))->n)
			return true;
	}
	return false;
}

struct printer {
	struct buf *out;
	struct arena *arena;
	const struct plan *plan;
	struct err *e;
};

/* Plain where every reader of YAML takes it for the same text, else in quotes: YAML 1.1 has
 * numbers to the base of 60 and would calculate with a MAC address. */
static int put_text(struct printer *p, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "._/:@%+=-";
	const size_t len = strlen(text);

	if (len && strspn(text, plain) == len && !strchr("-:@%=", text[0]) &&
		!(strchr("0123456789", text[0]) && strchr(text, ':')) && text[len - 1] != ':' &&
		strcmp(text, "null") != 0)
		return buf_add(p->out, text, len, p->e);
	struct json j = JSON(p->out);
	json_text(&j, text);
	return json_end(&j, p->e);
}

/* The end of a line, with where its value came from. */
static int put_place(struct printer *p, const struct schema_row *row, size_t start)
{
	const struct plan_place at = p->plan->said[row - schema];
	const size_t width = p->out->len - start;
	const int pad = width < COLUMN ? (int)(COLUMN - width) : 1;

	if (strchr(row->key, '['))
		return buf_add(p->out, "\n", 1, p->e);
	if (at.line == PLAN_KERNEL_LINE.line)
		return buf_print(p->out, p->e, "%*s# kernel line\n", pad, "");
	if (at.line)
		return buf_print(p->out, p->e, "%*s# line %u\n", pad, "", at.line);
	return buf_print(p->out, p->e, "%*s# default\n", pad, "");
}

static int put_list(struct printer *p, const struct plan_list *list)
{
	if (buf_add(p->out, "[", 1, p->e))
		return p->e->code;
	for (size_t i = 0; i < list->n; i++) {
		if ((i && buf_add(p->out, ", ", 2, p->e)) || put_text(p, list->v[i]))
			return p->e->code;
	}
	return buf_add(p->out, "]", 1, p->e);
}

static int put_tags(struct printer *p, const struct plan_pairs *tags)
{
	if (buf_add(p->out, "{", 1, p->e))
		return p->e->code;
	for (size_t i = 0; i < tags->n; i++) {
		if ((i && buf_add(p->out, ", ", 2, p->e)) || put_text(p, tags->v[i].name) ||
			buf_add(p->out, ": ", 2, p->e) || put_text(p, tags->v[i].value))
			return p->e->code;
	}
	return buf_add(p->out, "}", 1, p->e);
}

static int put_rows(struct printer *p, struct str group, int depth, const void *base, bool item);

static int put_items(struct printer *p, const struct schema_row *row, int depth)
{
	const bool is_member = !strcmp(row->key, "cluster.members");
	const struct str group = str_from(arena_print(p->arena, "%s[].", row->key));
	const size_t n = is_member ? p->plan->cluster.members.n : p->plan->replace.n;

	for (size_t i = 0; i < n; i++) {
		const void *item = is_member ? (const void *)&p->plan->cluster.members.v[i]
					     : (const void *)&p->plan->replace.v[i];
		if (put_rows(p, group, depth + 2, item, true))
			return p->e->code;
	}
	return 0;
}

/* One row at its depth; `dash` opens an item of a list. */
static int put_row(
	struct printer *p, const struct schema_row *row, int depth, const void *base, bool dash)
{
	const size_t start = p->out->len;
	const bool has_keys = schema_has_keys(row);
	const void *field = field_of(row, base);
	const char *value = row->shape == SCHEMA_ONE ? value_of(p->arena, row, base) : NULL;

	if (buf_print(p->out, p->e, "%*s%s%s:", dash ? depth - 2 : depth, "", dash ? "- " : "",
		    last_name(row)))
		return p->e->code;
	if (row->shape == SCHEMA_GROUP || row->shape == SCHEMA_ITEMS ||
		(has_keys && has_values(p->arena, row, base))) {
		if (buf_add(p->out, "\n", 1, p->e))
			return p->e->code;
		if (row->shape == SCHEMA_ITEMS)
			return put_items(p, row, depth);
		return put_rows(p, str_from(arena_print(p->arena, "%s.", row->key)), depth + 2,
			base, false);
	}
	if (buf_add(p->out, " ", 1, p->e))
		return p->e->code;
	if (row->shape == SCHEMA_LIST       ? put_list(p, field)
		: row->shape == SCHEMA_TAGS ? put_tags(p, field)
					    : put_text(p, value))
		return p->e->code;
	return put_place(p, row, start);
}

static bool is_said(struct printer *p, const struct schema_row *row, const void *base)
{
	switch (row->shape) {
	case SCHEMA_ONE:
		return value_of(p->arena, row, base) ||
		       (schema_has_keys(row) && has_values(p->arena, row, base));
	case SCHEMA_LIST:
		return ((const struct plan_list *)field_of(row, base))->n;
	case SCHEMA_TAGS:
		return ((const struct plan_pairs *)field_of(row, base))->n;
	case SCHEMA_ITEMS:
		return ((const struct plan_members *)field_of(row, base))->n;
	case SCHEMA_GROUP:
		return has_values(p->arena, row, base);
	}
	return false;
}

static int put_rows(struct printer *p, struct str group, int depth, const void *base, bool item)
{
	for (const struct schema_row *row = schema; row < schema + schema_n; row++) {
		if (!schema_below(row->key, group) || !is_said(p, row, base))
			continue;
		if (put_row(p, row, depth, base, item))
			return p->e->code;
		item = false;
	}
	return 0;
}

int plan_show(struct buf *out, struct arena *a, const struct plan *plan, struct err *e)
{
	struct printer p = { out, a, plan, e };

	return put_rows(&p, STR(""), 0, plan, false);
}

static void json_rows(struct json *j, struct arena *a, struct str group, const struct plan *plan,
	const void *base);

static void json_items(
	struct json *j, struct arena *a, const struct schema_row *row, const struct plan *plan)
{
	const bool is_member = !strcmp(row->key, "cluster.members");
	const struct str group = str_from(arena_print(a, "%s[].", row->key));
	const size_t n = is_member ? plan->cluster.members.n : plan->replace.n;

	json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		json_open(j, '{');
		json_rows(j, a, group, plan,
			is_member ? (const void *)&plan->cluster.members.v[i]
				  : (const void *)&plan->replace.v[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void json_value(
	struct json *j, struct arena *a, const struct schema_row *row, const void *base)
{
	const char *text = value_of(a, row, base);

	if (row->type == SCHEMA_BOOL)
		json_bool(j, *(const bool *)field_of(row, base));
	else if (row->type == SCHEMA_GENERATION)
		json_u64(j, *(const uint64_t *)field_of(row, base));
	else
		json_text(j, text);
}

static void json_rows(struct json *j, struct arena *a, struct str group, const struct plan *plan,
	const void *base)
{
	for (const struct schema_row *row = schema; row < schema + schema_n; row++) {
		const void *field = field_of(row, base);
		if (!schema_below(row->key, group))
			continue;
		json_key(j, last_name(row));
		switch (row->shape) {
		case SCHEMA_ITEMS:
			json_items(j, a, row, plan);
			break;
		case SCHEMA_LIST:
			json_open(j, '[');
			for (size_t i = 0; i < ((const struct plan_list *)field)->n; i++)
				json_text(j, ((const struct plan_list *)field)->v[i]);
			json_close(j, ']');
			break;
		case SCHEMA_TAGS:
			json_open(j, '{');
			for (size_t i = 0; i < ((const struct plan_pairs *)field)->n; i++)
				json_key_text(j, ((const struct plan_pairs *)field)->v[i].name,
					((const struct plan_pairs *)field)->v[i].value);
			json_close(j, '}');
			break;
		case SCHEMA_ONE:
			if (!schema_has_keys(row)) {
				json_value(j, a, row, base);
				break;
			}
			json_open(j, '{');
			json_key(j, "value");
			json_value(j, a, row, base);
			json_rows(j, a, str_from(arena_print(a, "%s.", row->key)), plan, base);
			json_close(j, '}');
			break;
		case SCHEMA_GROUP:
			json_open(j, '{');
			json_rows(j, a, str_from(arena_print(a, "%s.", row->key)), plan, base);
			json_close(j, '}');
			break;
		}
	}
}

void plan_show_json(struct json *j, struct arena *a, const struct plan *plan)
{
	json_open(j, '{');
	json_rows(j, a, STR(""), plan, plan);
	json_close(j, '}');
}

static const char *type_name(const struct schema_row *row)
{
	switch (row->shape) {
	case SCHEMA_GROUP:
		return "group";
	case SCHEMA_ITEMS:
		return "list of groups";
	case SCHEMA_TAGS:
		return "names and texts";
	default:
		return schema_type_name(row->type);
	}
}

int plan_show_keys(struct buf *out, struct err *e)
{
	for (const struct schema_row *row = schema; row < schema + schema_n; row++) {
		if (buf_print(out, e, "%s\n    %s%s%s%s%s%s%s\n    %s\n", row->key,
			    row->shape == SCHEMA_LIST ? "list of " : "", type_name(row),
			    row->words ? ": " : "", row->words ? row->words : "",
			    row->initial ? "; default " : "", row->initial ? row->initial : "",
			    strcmp(row->key, "source") ? "" : "; must be said", row->help))
			return e->code;
	}
	return 0;
}

void plan_show_key_json(struct json *j, const struct schema_row *row)
{
	json_open(j, '{');
	json_key_text(j, "event", "key");
	json_key_text(j, "key", row->key);
	json_key_text(j, "type", type_name(row));
	json_key_bool(j, "list", row->shape == SCHEMA_LIST || row->shape == SCHEMA_ITEMS);
	json_key_text(j, "words", row->words);
	json_key_text(j, "default", row->initial);
	json_key_text(j, "help", row->help);
	json_close(j, '}');
}
