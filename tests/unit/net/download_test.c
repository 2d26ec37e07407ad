/* Against a server of the test's own, which breaks, lies and changes as it is told. */
#include "download_fetch.h"

static void download_puts_parts_in_order(void **state)
{
	struct download_request q = asked("/o");

	(void)state;
	expect_same("/o", &q);
	assert_int_equal(stats.wire, SIZE);
	assert_int_equal(stats.requests, SIZE / PART);
	assert_int_equal(stats.retries, 0);
	/* Connections are used again. */
	assert_in_range(server.connections, 1, 4);
	q.streams = 1;
	expect_same("/o", &q);
	q.streams = 7;
	q.part = 100001;
	expect_same("/o", &q);
	q.part = 4 * SIZE;
	expect_same("/o", &q);
	assert_int_equal(stats.requests, 1);
	q = asked("/bare");
	expect_same("/bare", &q);
	q = asked("/weak");
	expect_same("/weak", &q);
}

/* A redirect would take the caller's headers, keys of encryption among them, to whatever host. */
static void download_keeps_headers_to_itself(void **state)
{
	static const char *const headers[] = { "X-Key: secret", NULL };
	struct download_request q = asked("/o");
	struct err e = { 0 };
	size_t len;

	(void)state;
	q.headers = headers;
	expect_same("/o", &q);
	range_reset();
	server.faults = 1000;
	server.only = FAULT_LOOP;
	assert_int_equal(fetch(&len, &q, &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "status 302"));
	assert_int_equal(server.requests, 1);
}

static void download_says_that_nothing_tells_versions(void **state)
{
	unsigned n = 0;
	const struct listener listener = { count_warnings, &n };
	struct download_request q = asked("/o");

	(void)state;
	q.listener = &listener;
	expect_same("/o", &q);
	assert_int_equal(n, 0);
	q = asked("/bare");
	q.listener = &listener;
	expect_same("/bare", &q);
	assert_int_equal(n, 1);
}

static void download_reads_without_ranges(void **state)
{
	struct download_request q = asked("/plain");
	struct stream s;
	struct err e = { 0 };
	size_t len;

	(void)state;
	expect_same("/plain", &q);
	assert_int_equal(stats.requests, 1);
	q = asked("/chunked");
	expect_same("/chunked", &q);
	q.streams = 1;
	q.part = 70000;
	expect_same("/chunked", &q);
	assert_int_equal(download_open(&s, &q, &e), 0);
	assert_int_equal(s.size, 0);
	stream_close(&s);
	/* Neither is a broken one the end of it: what is there is passed over. */
	q = asked("/plain");
	for (unsigned i = 0; i < 5; i++) {
		server.cut_at = (int)(i * 200000);
		expect_same("/plain", &q);
		assert_int_equal(stats.retries, 1);
	}
	server.cut_at = 500000;
	q = asked("/chunked");
	expect_same("/chunked", &q);
	/* Unless nobody can tell whether it is still the same. */
	server.cut_at = 500000;
	q = asked("/plain?/bare");
	assert_int_equal(fetch(&len, &q, &e), ERR_NET);
	assert_non_null(strstr(e.text, "neither ranges nor versions"));
}

static void download_of_nothing_is_empty(void **state)
{
	struct download_request q = asked("/empty");
	struct err e;
	size_t len;

	(void)state;
	assert_int_equal(fetch(&len, &q, &e), 0);
	assert_int_equal(len, 0);
}

/* The promise: at most one part is fetched twice, wherever the connection breaks. */
static void download_goes_on_where_it_was_interrupted(void **state)
{
	struct download_request q = asked("/o");
	const unsigned n = getenv("ETCD_RESCUE_LONG") ? 1000 : 100;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		server.cut_at = (int)range_draw(PART);
		server.sent = 0;
		expect_same("/o", &q);
		assert_true(server.cut_at == -1);
		assert_int_equal(stats.retries, 1);
		assert_int_equal(stats.wire, SIZE);
		assert_true(server.sent <= SIZE + PART);
	}
}

static void download_refuses_what_changed(void **state)
{
	struct download_request q = asked("/o");
	struct err e;
	size_t len;

	(void)state;
	server.change_at = 5;
	assert_int_equal(fetch(&len, &q, &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "/o: the object changed since it was begun"));
	assert_memory_equal(result, server.object, len);
	range_reset();
	q = asked("/weak"); /* which If-Match cannot say */
	server.change_at = 5;
	assert_int_equal(fetch(&len, &q, &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "the object changed while it was read"));
	assert_memory_equal(result, server.object, len);
	range_reset();
	q = asked("/o");
	q.etag = "\"v0\"";
	assert_int_equal(fetch(&len, &q, &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "the object changed since it was listed"));
	q.etag = "\"v1\"";
	expect_same("/o", &q);
}

static void download_closes_in_the_middle(void **state)
{
	struct download_request q = asked("/o");
	struct stream s;
	struct err e = { 0 };
	size_t got;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(download_open(&s, &q, &e), 0);
		for (unsigned n = 0; n < i; n++)
			assert_int_equal(stream_read(&s, &got, result, 10000, &e), 0);
		stream_close(&s);
	}
}

/* Any answer may go wrong in any way: what comes is right, or a reason is given. */
static void download_accepts_no_wrong_byte(void **state)
{
	const unsigned enough = getenv("ETCD_RESCUE_LONG") ? 10000 : 500;
	struct download_request q = asked("/o");
	unsigned good = 0, refused = 0;
	struct err e;
	size_t len;

	(void)state;
	q.etag = "\"v1\"";
	q.stall_ms = 50;
	server.seed = 20261121;
	while (server.faulty < enough) {
		server.faults = 20 + range_draw(300);
		fetch(&len, &q, &e);
		assert_memory_equal(result, server.object, len);
		assert_true(e.code || len == SIZE);
		assert_null(strchr(e.text, '\n'));
		assert_true(!e.code || *e.text);
		good += !e.code;
		refused += e.code != 0;
		/* To a machine that is slow enough, every server is. */
		if (!good && refused % 8 == 0)
			q.stall_ms *= 2;
	}
	print_message("%u faults: %u whole, %u refused\n", server.faulty, good, refused);
	assert_true(good > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(download_puts_parts_in_order, clear),
		cmocka_unit_test_setup(download_keeps_headers_to_itself, clear),
		cmocka_unit_test_setup(download_says_that_nothing_tells_versions, clear),
		cmocka_unit_test_setup(download_reads_without_ranges, clear),
		cmocka_unit_test_setup(download_of_nothing_is_empty, clear),
		cmocka_unit_test_setup(download_goes_on_where_it_was_interrupted, clear),
		cmocka_unit_test_setup(download_refuses_what_changed, clear),
		cmocka_unit_test_setup(download_closes_in_the_middle, clear),
		cmocka_unit_test_setup(download_accepts_no_wrong_byte, clear),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
