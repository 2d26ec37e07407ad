/* codec/rfc3339.h - instants, and spans of time, as people write them
 *
 *   2026-11-20T18:00Z   2026-11-20T18:00:30.25+01:00   2026-11-20 18:00Z      instants
 *   90s   15m   2h   1h30m   7d                                               spans
 *
 * An instant needs its zone: a snapshot chosen by a time that means something else on
 * another machine is the wrong snapshot.  Seconds may be left out, fractions are cut off,
 * a leap second is the second after it.
 *
 * Source:     RFC 3339 section 5.6.
 * Units:      seconds, since 1970 for instants; years 1970 to 9999.
 * Ownership:  nothing is kept.
 * Errors:     false, and the output is untouched.
 */
#pragma once

#include "base/str.h"

enum { RFC3339_SIZE = 24, DURATION_MAX = 366 * 24 * 3600 };

bool rfc3339_parse(int64_t *seconds, struct str text);

/* "2026-11-20T18:00:30Z" */
void rfc3339_format(char out[RFC3339_SIZE], int64_t seconds);

/* Up to DURATION_MAX. */
bool duration_parse(uint64_t *seconds, struct str text);
