/* Directories of WAL segments, and reading them. */
#pragma once

#include "golden.h"

#include "etcd/wal.h"

/* A directory with the given segments; gone when the test ends. */
struct place {
	char path[64];
	int fd;
	char names[4][ETCD_WAL_NAME];
	size_t n;
};

static inline void place_make(struct place *p)
{
	snprintf(p->path, sizeof p->path, "../build/wal_test.XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->n = 0;
	assert_true(p->fd >= 0);
}

static inline void place_add(struct place *p, const char *name, struct span bytes)
{
	struct err e;
	CLOSE_FD int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(file_write(fd, bytes.p, bytes.len, &e), 0);
	snprintf(p->names[p->n++], ETCD_WAL_NAME, "%s", name);
}

static inline void place_remove(struct place *p)
{
	for (size_t i = 0; i < p->n; i++)
		unlinkat(p->fd, p->names[i], 0);
	close(p->fd);
	rmdir(p->path);
}

static const char first[] = "0000000000000000-0000000000000000.wal";
static const char second[] = "0000000000000001-0000000000000006.wal";

/* Reads all there is: number of records, and how it ended. */
static inline int read_all(size_t *n, bool *torn, struct place *p, struct err *e)
{
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	struct arena a = ARENA(1 << 20);
	struct etcd_wal_record r;
	int rc = etcd_wal_open(&wal, p->fd, &a, e);

	*n = 0;
	while (!rc) {
		rc = etcd_wal_next(&r, &wal, e);
		if (rc || r.type == ETCD_WAL_END)
			break;
		++*n;
	}
	*torn = wal.torn;
	arena_free(&a);
	return rc;
}

static inline int read_bytes(size_t *n, bool *torn, struct span bytes, struct err *e)
{
	struct place p;

	place_make(&p);
	place_add(&p, first, bytes);
	const int rc = read_all(n, torn, &p, e);

	place_remove(&p);
	return rc;
}
