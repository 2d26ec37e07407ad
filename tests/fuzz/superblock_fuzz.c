/* A whole disk from outside: whatever its bytes are, there is an answer, it ends in a zero byte
 * and holds nothing that a terminal would obey.
 *
 * A disk is larger than an engine likes to grow, so the input is a list of pieces that are laid
 * on an empty one: place in units of 4 bytes (le16), length (1 byte), bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "os/superblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK = 256 * 1024 };

static int read_disk(void *ctx, void *bytes, size_t len, uint64_t at, struct err *e)
{
	const struct span *disk = ctx;

	/* The probe has to stay inside by itself; the kernel would say no only sometimes. */
	if (at > disk->len || disk->len - at < len)
		abort();
	memcpy(bytes, disk->p + at, len);
	/* Now and then a sector is bad. */
	return disk->len % 64 == 1 && at ? err_set(e, ERR_IO, "bad sector") : 0;
}

static void check_text(const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	if (len == size)
		abort();
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t disk[DISK];
	struct superblock sb;
	struct err e;

	if (size < 3)
		return 0;
	memset(disk, 0, sizeof disk);
	/* The device may end anywhere; past the first bytes sizes matter by their remainders. */
	struct span whole = { disk, (size_t)(data[0] | data[1] << 8 | (data[2] & 3) << 16) };
	for (size_t at = 3; size - at >= 3;) {
		const size_t place = (size_t)le16(data + at) * 4, len = data[at + 2];
		at += 3;
		const size_t n = len < size - at ? len : size - at;
		memcpy(disk + place, data + at, n < DISK - place ? n : DISK - place);
		at += n;
	}
	const struct superblock_reader reader = { read_disk, &whole, whole.len, data[2] & 4 };
	if (superblock_probe(&sb, &reader, &e))
		return 0;
	check_text(sb.label, sizeof sb.label);
	check_text(sb.uuid, sizeof sb.uuid);
	if ((superblock_word(sb.kind) == NULL) != (sb.kind == SUPERBLOCK_NONE))
		abort();
	return 0;
}
