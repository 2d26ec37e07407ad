#include "plan/value_words.h"

#include <stdio.h>

enum { MAX_SHOWN = 60 };

/* ERR_FORMAT, "'<value>' <text>"; control bytes cannot be in it, codec/doc refuses them. */
int value_bad(struct err *e, struct str text, const char *what)
{
	const bool cut = text.len > MAX_SHOWN;

	if (!text.len)
		return err_set(e, ERR_FORMAT, "is empty; %s", what);
	return err_set(e, ERR_FORMAT, "'%.*s%s' is %s", cut ? MAX_SHOWN : (int)text.len, text.p,
		cut ? "..." : "", what);
}

bool value_find_word(size_t *at, bool *takes_more, const char *words, struct str text)
{
	struct str rest = str_from(words), word;

	for (*at = 0; str_next(&word, &rest, '|'); (*at)++) {
		*takes_more = str_ends(word, STR(":"));
		if (*takes_more ? str_starts(text, word) : str_equal(text, word))
			return true;
	}
	*takes_more = false;
	return false;
}

void value_list_words(char list[VALUE_WORDS_MAX], const char *words)
{
	struct str rest = str_from(words), word;
	const size_t size = VALUE_WORDS_MAX;
	size_t at = 0;

	list[0] = 0;
	while (str_next(&word, &rest, '|')) {
		const int n = snprintf(list + at, size - at, "%s%.*s%s", at ? ", " : "",
			STR_ARG(word), str_ends(word, STR(":")) ? "..." : "");
		if (n > 0 && at + (size_t)n < size)
			at += (size_t)n;
	}
}

int value_none_of(struct err *e, const char *words, struct str text)
{
	char list[VALUE_WORDS_MAX], what[400];
	struct str rest = str_from(words), word, nearest = { 0 };
	size_t best = text.len / 3 + 2;

	value_list_words(list, words);
	while (str_next(&word, &rest, '|')) {
		const size_t d = str_distance(text, word);
		if (d < best) {
			best = d;
			nearest = word;
		}
	}
	if (nearest.len)
		snprintf(what, sizeof what, "none of: %s; did you mean '%.*s'?", list,
			STR_ARG(nearest));
	else
		snprintf(what, sizeof what, "none of: %s", list);
	return value_bad(e, text, what);
}
