/* base/utf8.h - a character as UTF-8
 *
 * Source:     RFC 3629.
 * Units:      bytes.
 * Ownership:  a value.
 * Errors:     none; what is no character (surrogates, past U+10FFFF) is the caller's to refuse.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How many of the four it takes. */
size_t utf8_put(char out[4], uint32_t code);
