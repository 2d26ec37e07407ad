/* codec/crc32c.h - CRC-32C (Castagnoli), as etcd chains it through WAL, .snap and hash
 *
 * Reflected polynomial 0x82F63B78, initial and final value 0xFFFFFFFF.  The value for
 * nothing is 0, and a value can be continued: crc(a b) == codec_crc32c(crc(a), b).
 *
 * Source:     RFC 3720 appendix B.4; Go hash/crc32.
 * Units:      bytes.
 * Ownership:  the bytes stay the caller's.
 * Errors:     none.
 */
#pragma once

#include <stdint.h>

#include "base/span.h"
#include "codec/cpu.h"

uint32_t codec_crc32c(uint32_t crc, struct span bytes);
uint32_t codec_crc32c_by(enum codec_path path, uint32_t crc, struct span bytes);
