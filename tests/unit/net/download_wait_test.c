/* A server that is busy, silent or slow, and credentials that run out meanwhile. */
#include "download_fetch.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(download_says_why_it_waits, clear),
		cmocka_unit_test_setup(download_gives_up_in_the_end, clear),
		cmocka_unit_test_setup(download_renews_expired_credentials, clear),
		cmocka_unit_test_setup(download_waits_for_its_reader, clear),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
