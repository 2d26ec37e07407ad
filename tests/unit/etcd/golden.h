/* Golden files of real etcd, and the cluster that they were made for.  The tests run in src/. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "etcd/ident.h"
#include "os/file.h"

#define GOLDEN "../tests/golden/"

static inline void golden(struct buf *b, const char *path)
{
	struct err e;
	CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(file_read_fd(b, fd, &e), 0);
}

static inline void cluster_of(
	struct etcd_cluster *c, const struct etcd_member **own, struct arena *a, int n)
{
	CLEAN_BUF struct buf members = BUF(1000);
	struct err e;

	for (int i = 0; i < n; i++)
		assert_int_equal(
			buf_print(&members, &e, "m%d=http://127.0.0.1:239%d1,", i + 1, i), 0);
	const struct etcd_restore_config config = { STR("m1"), buf_text(&members), STR("tok"),
		STR("http://127.0.0.1:23901") };

	assert_int_equal(etcd_ident_cluster(c, own, a, &config, &e), 0);
}
