/* net/retry.h - which failures to repeat, and how long to wait
 *
 *   try   1     2     3     4     5     6     7 ...
 *   wait  0.5   1     2     4     8     15    15 s, each up to a quarter longer
 *
 * Source:     RFC 9110 (429, 503 and Retry-After).
 * Units:      milliseconds.
 * Ownership:  none.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Is it worth asking again?  `status` is the HTTP status, 0 when there was no answer. */
bool retry_worth(enum err_code code, unsigned status);

/* How long to wait after the `n`th failure (from 1).  A server's own `asked_ms` wins up to
 * a minute; `dice` is any number, for the spread. */
unsigned retry_wait_ms(unsigned n, unsigned asked_ms, unsigned dice);
