/* Any bytes as a WAL of one segment or, when the first byte is odd, of two: records follow
 * each other without a gap, and the reader comes to an end.
 *
 *   byte 0      bit 0: two segments; the rest: how many 16ths of the bytes are in the first
 *   the rest    the segments */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "etcd/wal.h"
#include "os/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[2] = { "0000000000000000-0000000000000000.wal",
	"0000000000000001-0000000000000002.wal" };
static char place[32] = "/dev/shm/wal_fuzz.XXXXXX"; /* in memory, where there is such */

static void clean(void)
{
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", place, names[i]);
		unlink(path);
	}
	rmdir(place);
}

static void put(int dir, const char *name, const uint8_t *p, size_t size)
{
	struct err e;
	CLOSE_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || file_write(fd, p, size, &e))
		abort();
}

static void read_all(int dir, size_t size)
{
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	struct arena a = ARENA(1 << 16);
	struct etcd_wal_record r;
	struct err e = { 0 };
	uint64_t at = 0;
	const char *segment = NULL;

	if (etcd_wal_open(&wal, dir, &a, &e))
		abort();
	for (;;) {
		if (etcd_wal_next(&r, &wal, &e)) {
			if (wal.torn || !e.text[0])
				abort();
			break;
		}
		if (r.type == ETCD_WAL_END)
			break;
		if (r.segment != segment) {
			segment = r.segment;
			at = 0;
		}
		if (r.at != at || r.size < 8 || r.data.len > size)
			abort();
		at += r.size;
		if (at > size)
			abort();
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;

	if (!size)
		return 0;
	if (dir < 0) {
		if (!mkdtemp(place)) {
			snprintf(place, sizeof place, "/tmp/wal_fuzz.XXXXXX");
			if (!mkdtemp(place))
				abort();
		}
		atexit(clean);
		dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	const size_t first = data[0] & 1 ? (size - 1) * (data[0] >> 4) / 16 : size - 1;

	put(dir, names[0], data + 1, first);
	if (data[0] & 1)
		put(dir, names[1], data + 1 + first, size - 1 - first);
	else
		unlinkat(dir, names[1], 0);
	read_all(dir, size);
	return 0;
}
