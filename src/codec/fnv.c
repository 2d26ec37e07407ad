#include "codec/fnv.h"

uint64_t codec_fnv1a64(struct span bytes)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ bytes.p[i]) * 0x100000001b3;
	return hash;
}
