/* plan/value_words.h - words of a row, and how to say that a value is none of them
 *
 * Source:     the rows of plan/schema.h.
 * Units:      none.
 * Ownership:  nothing is kept.
 * Errors:     ERR_FORMAT, as plan/value.h has them.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum { VALUE_WORDS_MAX = 300 };

#define VALUE_NO_SECRETS "a plan holds no secrets: "

/* "'<value>' is <what>" */
int value_bad(struct err *e, struct str text, const char *what);

/* The position of `text` among the words; *takes_more when that word ends in ':'. */
bool value_find_word(size_t *at, bool *takes_more, const char *words, struct str text);

/* "s3:..., https:..., none" */
void value_list_words(char list[VALUE_WORDS_MAX], const char *words);

/* "'<value>' is none of: ...; did you mean '...'?" */
int value_none_of(struct err *e, const char *words, struct str text);
