#include "codec/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)

enum { LEAF1_ECX_PCLMUL = 1 << 1, LEAF1_ECX_AES = 1 << 25 };
enum { LEAF1_ECX_SSSE3 = 1 << 9, LEAF1_ECX_SSE41 = 1 << 19, LEAF1_ECX_SSE42 = 1 << 20 };
enum { LEAF7_EBX_SHA = 1 << 29 };

static unsigned leaf1_ecx(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) ? c : 0;
}

bool codec_cpu_has_sha256(void)
{
	const unsigned wanted = LEAF1_ECX_SSSE3 | LEAF1_ECX_SSE41;
	unsigned a, b, c, d;

	return (leaf1_ecx() & wanted) == wanted && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
	       b & LEAF7_EBX_SHA;
}

bool codec_cpu_has_ssse3(void)
{
	return leaf1_ecx() & LEAF1_ECX_SSSE3;
}

bool codec_cpu_has_crc32c(void)
{
	return leaf1_ecx() & LEAF1_ECX_SSE42;
}

bool codec_cpu_has_gcm(void)
{
	const unsigned wanted =
		LEAF1_ECX_PCLMUL | LEAF1_ECX_AES | LEAF1_ECX_SSSE3 | LEAF1_ECX_SSE41;

	return (leaf1_ecx() & wanted) == wanted;
}

#elif defined(__aarch64__)

/* arch/arm64/include/uapi/asm/hwcap.h */
enum { ARM64_HWCAP_SHA2 = 1 << 6, ARM64_HWCAP_CRC32 = 1 << 7 };

bool codec_cpu_has_sha256(void)
{
	return getauxval(AT_HWCAP) & ARM64_HWCAP_SHA2;
}

bool codec_cpu_has_ssse3(void)
{
	return false;
}

bool codec_cpu_has_crc32c(void)
{
	return getauxval(AT_HWCAP) & ARM64_HWCAP_CRC32;
}

bool codec_cpu_has_gcm(void)
{
	return false;
}

#else

bool codec_cpu_has_sha256(void)
{
	return false;
}

bool codec_cpu_has_ssse3(void)
{
	return false;
}

bool codec_cpu_has_crc32c(void)
{
	return false;
}

bool codec_cpu_has_gcm(void)
{
	return false;
}

#endif
