/* A fuzzer's bytes as a file in memory, with the checksums of the meta pages put right: no
 * fuzzer guesses those, and what lies behind them is what is to be tested. */
#pragma once

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bolt/meta.h"
#include "codec/fnv.h"
#include "os/file.h"

enum { DBFILE_MAX = 1024 * 1024 };

static inline void dbfile_fix_meta(uint8_t *p, size_t len)
{
	if (len < 16 + BOLT_META_SIZE)
		return;
	put_le64(p + 16 + 56, codec_fnv1a64((struct span){ p + 16, 56 }));
}

/* -1 when the input is no use. */
static inline int dbfile_open(const uint8_t *bytes, size_t len)
{
	struct err e;

	if (len < 2048 || len > DBFILE_MAX)
		return -1;
	uint8_t *copy = malloc(len);
	memcpy(copy, bytes, len);
	const uint32_t page_size = le32(copy + 24);
	dbfile_fix_meta(copy, len);
	if (page_size >= BOLT_PAGE_SIZE_MIN && page_size < len)
		dbfile_fix_meta(copy + page_size, len - page_size);
	const int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || file_write_at(fd, copy, len, 0, &e))
		abort();
	free(copy);
	return fd;
}
