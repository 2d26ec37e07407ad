/* base/str.h - borrowed text
 *
 * Text is a pointer and a length; it need not end in a zero byte and may hold one.
 * Print it with "%.*s" and STR_ARG.
 *
 * Source:     none.
 * Units:      bytes; no function here knows about characters beyond ASCII.
 * Ownership:  a str borrows and is passed by value.
 * Errors:     the number readers refuse an empty text, signs, blanks, trailing bytes and
 *             values above the limit; they then leave the output untouched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *p;
	size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_ARG(s)   (int)(s).len, (s).p

struct str str_from(const char *text); /* NULL gives the empty text */

bool str_equal(struct str a, struct str b);
bool str_is(struct str a, const char *text);
int str_compare(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_find(size_t *at, struct str s, struct str what);

/* Without leading and trailing blanks, tabs and line ends. */
struct str str_trim(struct str s);

/* Split at the first `mark`: `*head` is what stands before it, `*rest` what follows.
 * False when there is none; then head is all of `s` and rest is empty. */
bool str_cut(struct str *head, struct str *rest, struct str s, char mark);

/* Take the next part up to `mark` off `*rest`; false when nothing is left.  "a,,b"
 * gives "a", "" and "b"; "a," gives just "a"; the empty text gives nothing. */
bool str_next(struct str *part, struct str *rest, char mark);

/* Take the next word off `*rest`, words being separated by white space. */
bool str_word(struct str *word, struct str *rest);

bool str_u64(uint64_t *value, struct str s, unsigned base, uint64_t limit);

/* How many single edits turn one into the other; for "did you mean".  Texts longer than
 * 64 bytes count as far apart. */
size_t str_distance(struct str a, struct str b);
