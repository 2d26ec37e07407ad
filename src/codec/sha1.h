/* codec/sha1.h - SHA-1 of short texts: etcd's member and cluster ids are cut from it
 *
 * Not for anything that must resist an attacker.
 *
 * Source:     FIPS 180-4.
 * Units:      bytes.
 * Ownership:  the bytes stay the caller's.
 * Errors:     none.
 */
#pragma once

#include <stdint.h>

#include "base/span.h"

enum { CODEC_SHA1_SIZE = 20 };

void codec_sha1_of(uint8_t digest[CODEC_SHA1_SIZE], struct span bytes);
