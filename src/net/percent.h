/* net/percent.h - percent-encoding: "a b" in an address is "a%20b"
 *
 * Source:     RFC 3986, section 2.
 * Units:      bytes.
 * Ownership:  texts live in the arena.
 * Errors:     none: a '%' that begins no %XX stands for itself, unless the caller minds.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* Letters, digits and what is among `plain` stay; bytes beyond ASCII, too, when they `may`. */
char *percent_encode(struct arena *a, struct str text, const char *plain, bool beyond_ascii_may);

/* Is it "%XX" what stands at `at`?  Then `*c` is that byte. */
bool percent_at(char *c, struct str text, size_t at);

struct str percent_decode(struct arena *a, struct str text);
