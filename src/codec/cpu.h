/* codec/cpu.h - which instructions of this processor the checksums may use
 *
 * Asked once, at run time, so that one binary runs everywhere and is quick where it can be.
 * Tests hand in the other values to force each path.
 *
 * Source:     cpuid leaves 1 and 7 (x86-64); AT_HWCAP (arm64).
 * Units:      none.
 * Ownership:  a value.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>

enum codec_path {
	CODEC_BEST,     /* the machine's instructions where it has them */
	CODEC_PORTABLE, /* plain C */
	CODEC_VECTOR,   /* SHA-256: part of it in SSSE3; CRC-32C: as portable */
	CODEC_MACHINE,  /* the machine's instructions; ask codec_cpu_* first */
};

bool codec_cpu_has_sha256(void); /* SHA-NI with SSE4.1, or ARMv8 SHA2 */
bool codec_cpu_has_ssse3(void);  /* x86-64 only */
bool codec_cpu_has_crc32c(void); /* SSE4.2, or ARMv8 CRC32 */
bool codec_cpu_has_gcm(void);    /* x86-64 only: AES-NI, PCLMULQDQ, SSE4.1 */
