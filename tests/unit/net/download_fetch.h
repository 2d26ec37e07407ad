/* One download from the server of ranges, read and compared. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/monotonic.h"
#include "net/download.h"
#include "range_server.h"

enum { SIZE = 1 << 20, PART = 64 << 10 };

static struct download_stats stats;
static uint8_t *result;
static char url[128];

static inline struct download_request asked(const char *path)
{
	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, path);
	return (struct download_request){
		.url = url,
		.proxy = "",
		.stats = &stats,
		.part = PART,
		.slow = 1000,
		.hurry = 500,
	};
}

/* Reads it all in odd pieces; `*len` bytes came. */
static inline int fetch(size_t *len, const struct download_request *q, struct err *e)
{
	struct stream s;
	size_t got = 1;

	*len = 0;
	memset(result, 0, 2 * SIZE);
	*e = (struct err){ 0 };
	if (download_open(&s, q, e))
		return e->code;
	while (got) {
		const size_t room = 1 + (*len * 7 + 4000) % 50000;
		if (stream_read(&s, &got, result + *len, room, e) || *len + got > 2 * SIZE - 50000)
			break;
		*len += got;
	}
	stream_close(&s);
	return e->code;
}

static inline void expect_same(const char *path, struct download_request *q)
{
	struct err e;
	size_t len;

	if (fetch(&len, q, &e))
		print_message("%s: %s\n", path, e.text);
	assert_int_equal(e.code, 0);
	assert_int_equal(len, SIZE);
	assert_memory_equal(result, server.object, SIZE);
}

static inline int clear(void **state)
{
	(void)state;
	range_reset();
	return 0;
}

static inline void count_warnings(void *ctx, const struct event *event)
{
	*(unsigned *)ctx += event->kind == EVENT_WARNING;
}

static inline int start(void **state)
{
	(void)state;
	result = malloc(2 * SIZE);
	return range_start(SIZE);
}
