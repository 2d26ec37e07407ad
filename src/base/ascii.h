/* base/ascii.h - what kind of character a byte is, whatever the locale says
 *
 * ctype.h asks the locale and does not take a char with its sign; these do neither.
 *
 * Source:     ASCII, ANSI X3.4.
 * Units:      one byte; bytes above 0x7f are none of these.
 * Ownership:  a value.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_word(char c)
{
	return ascii_is_digit(c) || ascii_is_letter(c);
}

static inline bool ascii_is_hex(char c)
{
	return ascii_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 0 to 15; -1: no hex digit. */
static inline int ascii_hex(char c)
{
	return ascii_is_digit(c) ? c - '0' : ascii_is_hex(c) ? (c | 0x20) - 'a' + 10 : -1;
}
