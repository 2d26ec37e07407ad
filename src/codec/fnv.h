/* codec/fnv.h - FNV-1a, 64 bits: the checksum of bbolt's meta pages
 *
 * Source:     draft-eastlake-fnv; Go hash/fnv.
 * Units:      bytes.
 * Ownership:  the bytes stay the caller's.
 * Errors:     none.
 */
#pragma once

#include <stdint.h>

#include "base/span.h"

uint64_t codec_fnv1a64(struct span bytes);
