#include "kube/env.h"

#include <string.h>

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
			    (i && c >= '0' && c <= '9')))
			return false;
	}
	return s.len > 0;
}

/* A value that is all in one pair of quotes, or in none. */
static struct kube_slot slot_of(struct kube_file *file, struct str name, struct str value)
{
	size_t from = (size_t)(value.p - file->text.p), to = from + value.len, at;
	const char first = value.len ? value.p[0] : 0;
	const bool quoted = value.len >= 2 && (first == '"' || first == '\'') &&
			    value.p[value.len - 1] == first;

	if (quoted) {
		from++;
		to--;
	}
	struct kube_slot slot =
		kube_slot_part(file, NULL, from, to, arena_copy(file->set->arena, name));
	slot.dialect = KUBE_ENV_FILE;
	slot.quote = quoted ? first : 0;
	slot.in_pieces =
		memchr(slot.value.p, '\\', slot.value.len) ||
		memchr(slot.value.p, '\n', slot.value.len) ||
		(quoted && memchr(slot.value.p, first, slot.value.len)) ||
		(!quoted && (memchr(value.p, '"', value.len) || memchr(value.p, '\'', value.len)));
	slot.fixed = slot.quote == '\'' || (!memchr(slot.value.p, '$', slot.value.len) &&
						   !str_find(&at, slot.value, STR("`")));
	return slot;
}

/* Where the value ends that begins at `at`: a backslash, or a quote it begins with, takes it
 * past the end of its line. */
static size_t end_of_value(struct str text, size_t at)
{
	while (at < text.len && (text.p[at] == ' ' || text.p[at] == '\t'))
		at++;
	const char quote = at < text.len && strchr("'\"", text.p[at]) ? text.p[at] : 0;
	bool open = quote != 0;

	for (at += open; at < text.len && (open || text.p[at] != '\n'); at++) {
		if (open && text.p[at] == quote)
			open = false;
		else if (text.p[at] == '\\' && !(open && quote == '\'') && at + 1 < text.len)
			at += text.p[at + 1] == '\r' && at + 2 < text.len ? 2 : 1;
	}
	return at < text.len ? at : text.len;
}

bool kube_env_next(struct str *name, struct kube_slot *slot, size_t *at, struct kube_file *file)
{
	const struct str all = file->text;
	struct str rest = { all.p + *at, all.len - *at }, line, value;
	bool found = false;

	while (!found && str_next(&line, &rest, '\n')) {
		struct str text = str_trim(line);
		if (str_starts(text, STR("export ")))
			text = str_trim((struct str){ text.p + 7, text.len - 7 });
		if (!text.len || text.p[0] == '#' || text.p[0] == ';' ||
			!str_cut(name, &value, text, '=') || !is_name(*name))
			continue;
		const size_t from = (size_t)(value.p - all.p), end = end_of_value(all, from);
		*slot = slot_of(file, *name, str_trim((struct str){ all.p + from, end - from }));
		rest = (struct str){ all.p + end, all.len - end };
		if (rest.len) { /* the end of its line */
			rest.p++;
			rest.len--;
		}
		found = true;
	}
	*at = file->text.len - rest.len;
	return found;
}

bool kube_env(struct kube_slot *slot, struct kube_file *file, const char *name)
{
	struct kube_slot next;
	struct str found;
	bool any = false;

	for (size_t at = 0; kube_env_next(&found, &next, &at, file);) {
		if (str_is(found, name)) {
			*slot = next;
			any = true;
		}
	}
	return any;
}
