/* Against a server of the test's own, which breaks, lies and stalls as it is told. */
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

static struct download_request asked(const char *path)
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
static int fetch(size_t *len, const struct download_request *q, struct err *e)
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

static void expect_same(const char *path, struct download_request *q)
{
	struct err e;
	size_t len;

	if (fetch(&len, q, &e))
		print_message("%s: %s\n", path, e.text);
	assert_int_equal(e.code, 0);
	assert_int_equal(len, SIZE);
	assert_memory_equal(result, server.object, SIZE);
}

static int clear(void **state)
{
	(void)state;
	range_reset();
	return 0;
}

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

static void count_warnings(void *ctx, const struct event *event)
{
	*(unsigned *)ctx += event->kind == EVENT_WARNING;
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

/* Once, however many connections break at the same time. */
static void download_says_why_it_waits(void **state)
{
	unsigned n = 0;
	const struct listener listener = { count_warnings, &n };
	struct download_request q = asked("/o");

	(void)state;
	q.listener = &listener;
	server.cut_at = 100;
	expect_same("/o", &q);
	assert_true(stats.retries > 0);
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

static void download_gives_up_in_the_end(void **state)
{
	static const struct {
		enum fault fault;
		enum err_code code;
		const char *text;
	} table[] = {
		{ FAULT_BUSY, ERR_NET, "status 503 (10 tries)" },
		{ FAULT_RANGE, ERR_MISMATCH, "the server sent another range (10 tries)" },
		{ FAULT_GARBAGE, ERR_NET, "this is no answer in HTTP/1 (5 tries)" },
		{ FAULT_LOOP, ERR_MISMATCH, "more than 5 redirections" },
		{ FAULT_NO_ANSWER, ERR_NET, "(5 tries)" },
		{ FAULT_STALL, ERR_NET, "" },
		{ FAULT_TRICKLE, ERR_NET, "" },
	};
	struct download_request q = asked("/o");
	struct err e;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		range_reset();
		/* No busy machine shall look like a server that stalls. */
		const bool stalls =
			table[i].fault == FAULT_STALL || table[i].fault == FAULT_TRICKLE;
		q.stall_ms = stalls ? 50 : 0;
		server.faults = 1000;
		server.only = table[i].fault;
		assert_int_equal(fetch(&len, &q, &e), table[i].code);
		if (!strstr(e.text, table[i].text))
			print_message("%s\n", e.text);
		assert_non_null(strstr(e.text, table[i].text));
		assert_memory_equal(result, server.object, len);
		assert_true(server.requests <= 10 * 16 * (SIZE / PART));
	}
	range_reset();
	q = asked("/o");
	q.url = "http://127.0.0.1:1/o?Signature=canary";
	assert_int_equal(fetch(&len, &q, &e), ERR_NET);
	assert_null(strstr(e.text, "canary"));
}

struct keys {
	unsigned asked, renewed;
	bool never;
};

static int give_key(void *ctx, struct http_auth *auth, bool expired, struct err *e)
{
	struct keys *k = ctx;

	(void)e;
	k->asked++;
	k->renewed += expired;
	*auth = (struct http_auth){ .kind = HTTP_AUTH_BEARER,
		.secret = k->never ? "stale" : "fresh" };
	return 0;
}

static void say_better(void *ctx, const struct http_response *r, struct err *e)
{
	(void)ctx;
	err_set(e, ERR_AUTH, "better: %.40s", r->refusal);
}

static void download_renews_expired_credentials(void **state)
{
	struct keys keys = { 0 };
	struct download_request q = asked("/o");
	struct err e;
	size_t len;

	(void)state;
	q.auth = give_key;
	q.explain = say_better;
	q.ctx = &keys;
	for (unsigned at = 1; at < 16; at++) {
		range_reset();
		server.refuse_at = at;
		keys = (struct keys){ 0 };
		expect_same("/o", &q);
		assert_int_equal(keys.renewed, 1);
		assert_int_equal(keys.asked, stats.requests);
	}
	keys = (struct keys){ .never = true };
	assert_int_equal(fetch(&len, &q, &e), ERR_AUTH);
	assert_string_equal(e.text, "better: <Error><Code>ExpiredToken</Code></Error>");
	assert_int_equal(keys.renewed, 1);
}

/* How long the reader was in reads, when it stood idle between two of them for longer than the
 * server may be silent. */
static int64_t read_idly(struct download_request *q)
{
	int64_t inside = -monotonic_ms();
	struct stream s;
	struct err e = { 0 };
	size_t got = 1, len = 0;

	assert_int_equal(download_open(&s, q, &e), 0);
	assert_int_equal(s.size, SIZE);
	for (unsigned i = 0; got; i++) {
		assert_int_equal(stream_read(&s, &got, result + len, 300000, &e), 0);
		len += got;
		if (i == 1) {
			inside += monotonic_ms();
			/* Not even then is there anything at once. */
			server.still_ms = monotonic_ms() + q->stall_ms * 3 / 2;
			usleep(q->stall_ms * 1250);
			inside -= monotonic_ms();
		}
	}
	inside += monotonic_ms();
	assert_int_equal(len, SIZE);
	stream_close(&s);
	return inside;
}

/* What stands idle between two reads is not the server's fault. */
static void download_waits_for_its_reader(void **state)
{
	struct download_request q = asked("/o");

	(void)state;
	server.rate_ms = 1;
	q.stall_ms = 500;
	/* A machine that stands still for so long tells nothing. */
	while (read_idly(&q) >= q.stall_ms && q.stall_ms < 30000)
		q.stall_ms *= 2;
	assert_int_equal(stats.retries, 0);
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

static int start(void **state)
{
	(void)state;
	result = malloc(2 * SIZE);
	return range_start(SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(download_puts_parts_in_order, clear),
		cmocka_unit_test_setup(download_keeps_headers_to_itself, clear),
		cmocka_unit_test_setup(download_says_that_nothing_tells_versions, clear),
		cmocka_unit_test_setup(download_says_why_it_waits, clear),
		cmocka_unit_test_setup(download_reads_without_ranges, clear),
		cmocka_unit_test_setup(download_of_nothing_is_empty, clear),
		cmocka_unit_test_setup(download_goes_on_where_it_was_interrupted, clear),
		cmocka_unit_test_setup(download_refuses_what_changed, clear),
		cmocka_unit_test_setup(download_gives_up_in_the_end, clear),
		cmocka_unit_test_setup(download_renews_expired_credentials, clear),
		cmocka_unit_test_setup(download_waits_for_its_reader, clear),
		cmocka_unit_test_setup(download_closes_in_the_middle, clear),
		cmocka_unit_test_setup(download_accepts_no_wrong_byte, clear),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
