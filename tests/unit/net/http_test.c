/* Against a server of our own on loopback: a child process that answers by what is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/http.h"

static unsigned port;
static pid_t server;

static const struct {
	const char *asked; /* the request begins so */
	const char *answer;
} script[] = {
	{ "GET /hello ",
		"HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 18:00:07 GMT\r\nETag: \"e1\"\r\n"
		"Last-Modified: Thu, 19 Nov 2026 00:00:00 GMT\r\nContent-Type: text/x\r\n"
		"Content-Length: 5\r\n\r\nhello" },
	{ "HEAD /hello ", "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 18:00:07 GMT\r\n"
			  "Content-Length: 5\r\n\r\n" },
	{ "GET /empty ", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
	{ "GET /chunks ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			  "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" },
	{ "GET /short ", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello" },
	{ "GET /gone ", "HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\n<no>it</no>" },
	{ "GET /locked ", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" },
	{ "GET /busy ", "HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" },
	{ "GET /to-hello ", "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n" },
	{ "GET /to-file ", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
			   "Content-Length: 0\r\n\r\n" },
	{ "GET /to-itself ", "HTTP/1.1 302 Found\r\nLocation: /to-itself\r\n"
			     "Content-Length: 0\r\n\r\n" },
	{ "GET /range ", "HTTP/1.1 206 Partial\r\nContent-Range: bytes 2-4/1000\r\n"
			 "Content-Length: 3\r\n\r\nllo" },
	{ "GET http://far.example/x ", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nby proxy!" },
};

static void answer(int fd, unsigned *flaky)
{
	char request[4096] = "";
	size_t have = 0;
	const char *text = "HTTP/1.1 500 What\r\nContent-Length: 0\r\n\r\n";

	while (!strstr(request, "\r\n\r\n") && have < sizeof request - 1) {
		const ssize_t n = read(fd, request + have, sizeof request - 1 - have);
		if (n <= 0)
			return;
		have += (size_t)n;
		request[have] = 0;
	}
	for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
		if (!strncmp(request, script[i].asked, strlen(script[i].asked)))
			text = script[i].answer;
	}
	if (!strncmp(request, "GET /flaky ", 11))
		text = ++*flaky % 3 ? "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"
				    : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
	if (!strncmp(request, "GET /silent ", 12))
		sleep(30);
	if (!strncmp(request, "GET /range ", 11) && !strstr(request, "Range: bytes=2-4\r\n"))
		text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	const ssize_t ignored = write(fd, text, strlen(text));
	(void)ignored;
}

static int start_server(void **state)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t size = sizeof here;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (fd < 0 || bind(fd, (const struct sockaddr *)&here, size) || listen(fd, 16) ||
		getsockname(fd, (struct sockaddr *)&here, &size))
		return -1;
	port = ntohs(here.sin_port);
	server = fork();
	if (!server) {
		unsigned flaky = 0;
		alarm(120);
		for (;;) {
			const int peer = accept(fd, NULL, NULL);
			answer(peer, &flaky);
			close(peer);
		}
	}
	close(fd);
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	return server < 0;
}

static int end_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	return waitpid(server, NULL, 0) != server;
}

static char url[256];

static const char *at(const char *path)
{
	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
	return url;
}

static int get(struct buf *body, struct http_response *r, const char *path, struct err *e)
{
	const struct http_request q = { .url = at(path), .proxy = "" };

	return http_get_buf(body, r, &q, 300, e);
}

static void http_get_gives_body_and_headers(void **state)
{
	CLEAN_BUF struct buf body = BUF(100);
	struct http_response r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(get(&body, &r, "/hello", &e), 0);
	assert_true(str_is(buf_text(&body), "hello"));
	assert_int_equal(r.status, 200);
	assert_int_equal(r.date, 1795197607);
	assert_int_equal(r.length, 5);
	assert_string_equal(r.etag, "\"e1\"");
	assert_string_equal(r.type, "text/x");
	assert_int_equal(get(&body, &r, "/chunks", &e), 0);
	assert_true(str_is(buf_text(&body), "hello world"));
	assert_true(r.length == UINT64_MAX);
	assert_int_equal(get(&body, &r, "/empty", &e), 0);
	assert_int_equal(body.len, 0);
	assert_int_equal(r.status, 200);
	assert_int_equal(get(&body, &r, "/to-hello", &e), 0);
	assert_true(str_is(buf_text(&body), "hello"));
}

static void http_head_brings_a_date_and_no_body(void **state)
{
	const struct http_request q = { .url = at("/hello"), .proxy = "", .head = true };
	struct http_response r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(http_get(&r, &q, &e), 0);
	assert_int_equal(r.date, 1795197607);
	assert_int_equal(r.got, 0);
}

static void http_get_stops_at_the_cap(void **state)
{
	CLEAN_BUF struct buf body = BUF(4);
	struct http_response r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(get(&body, &r, "/hello", &e), ERR_SPACE);
	assert_non_null(strstr(e.text, "/hello: 5 bytes, more than the 4 allowed"));
	assert_int_equal(body.len, 0);
	/* Nobody said how long it would be. */
	assert_int_equal(get(&body, &r, "/chunks", &e), ERR_SPACE);
	assert_non_null(strstr(e.text, "more than the 4 bytes allowed"));
}

static void http_get_says_what_the_server_refused(void **state)
{
	CLEAN_BUF struct buf body = BUF(100);
	struct http_response r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(get(&body, &r, "/gone", &e), ERR_NOTFOUND);
	assert_string_equal(r.refusal, "<no>it</no>");
	assert_int_equal(body.len, 0);
	assert_int_equal(get(&body, &r, "/locked", &e), ERR_AUTH);
	assert_int_equal(get(&body, &r, "/busy", &e), ERR_NET);
	assert_int_equal(r.retry_ms, 7000);
	assert_int_equal(get(&body, &r, "/short", &e), ERR_NET);
	assert_int_equal(get(&body, &r, "/to-itself", &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "more than 5 redirections"));
}

static void http_get_leaves_http_for_nothing_else(void **state)
{
	CLEAN_BUF struct buf body = BUF(100000);
	struct http_response r;
	struct err e = { 0 };
	struct http_request q = { .url = "file:///etc/passwd", .proxy = "" };

	(void)state;
	assert_int_equal(get(&body, &r, "/to-file", &e), ERR_UNSUPPORTED);
	assert_int_equal(body.len, 0);
	assert_int_equal(http_get(&r, &q, &e), ERR_UNSUPPORTED);
	q.url = "ftp://127.0.0.1/x";
	assert_int_equal(http_get(&r, &q, &e), ERR_UNSUPPORTED);
	q.url = "http:///x";
	assert_int_equal(http_get(&r, &q, &e), ERR_FORMAT);
	q.url = "hello";
	assert_int_equal(http_get(&r, &q, &e), ERR_FORMAT);
}

static void http_get_repeats_a_busy_server(void **state)
{
	CLEAN_BUF struct buf body = BUF(100);
	struct http_response r;
	struct err e = { 0 };
	const struct http_request q = { .url = at("/flaky"), .proxy = "" };

	(void)state;
	assert_int_equal(http_get_buf(&body, &r, &q, 20000, &e), 0);
	assert_true(str_is(buf_text(&body), "fine"));
}

static int refuse(void *ctx, struct span bytes, struct err *e)
{
	*(size_t *)ctx += bytes.len;
	return err_set(e, ERR_FORMAT, "not what was wanted");
}

static int count(void *ctx, struct span bytes, struct err *e)
{
	(void)e;
	*(size_t *)ctx += bytes.len;
	return 0;
}

static void http_get_holds_the_server_to_its_range(void **state)
{
	size_t got = 0;
	struct http_response r;
	struct err e = { 0 };
	struct http_session *session = http_session_open();
	struct http_request q = {
		.url = at("/range"),
		.proxy = "",
		.from = 2,
		.len = 3,
		.session = session,
		.sink = count,
		.ctx = &got,
	};

	(void)state;
	assert_int_equal(http_get(&r, &q, &e), 0);
	assert_int_equal(got, 3);
	assert_int_equal(r.length, 1000);
	q.from = 3;
	assert_int_equal(http_get(&r, &q, &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "the server knows no ranges"));
	assert_int_equal(got, 3);
	http_session_close(session);
}

static void http_get_hands_the_sinks_refusal_back(void **state)
{
	size_t got = 0;
	struct http_response r;
	struct err e = { 0 };
	const struct http_request q = {
		.url = at("/hello"), .proxy = "", .sink = refuse, .ctx = &got
	};

	(void)state;
	assert_int_equal(http_get(&r, &q, &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "/hello: not what was wanted"));
	assert_int_equal(got, 5);
}

static void http_get_shows_no_secret(void **state)
{
	struct http_response r;
	struct err e = { 0 };
	char text[256];
	struct http_request q = { .url = text, .proxy = "" };

	(void)state;
	snprintf(text, sizeof text, "http://me:secret@127.0.0.1:%u/gone?token=secret", port);
	assert_true(http_get(&r, &q, &e) != 0);
	assert_null(strstr(e.text, "secret"));
	assert_non_null(strstr(e.text, "/gone?...: "));
	q.url = "http://me:secret@127.0.0.1:1/?token=secret";
	assert_int_equal(http_get(&r, &q, &e), ERR_NET);
	assert_null(strstr(e.text, "secret"));
}

static void http_get_goes_through_the_proxy_it_is_told(void **state)
{
	CLEAN_BUF struct buf body = BUF(100);
	struct http_response r;
	struct err e = { 0 };
	char proxy[64];
	struct http_request q = { .url = "http://far.example/x", .proxy = proxy };

	(void)state;
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", port);
	assert_int_equal(http_get_buf(&body, &r, &q, 300, &e), 0);
	assert_true(str_is(buf_text(&body), "by proxy!"));
	/* From the environment, and not for whom no_proxy names. */
	q.proxy = NULL;
	setenv("http_proxy", proxy, 1);
	assert_int_equal(http_get_buf(&body, &r, &q, 300, &e), 0);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("no_proxy", "127.0.0.1,localhost", 1);
	q.url = at("/hello");
	assert_int_equal(http_get_buf(&body, &r, &q, 300, &e), 0);
	assert_true(str_is(buf_text(&body), "hello"));
	unsetenv("no_proxy");
	assert_int_equal(http_get_buf(&body, &r, &q, 300, &e), ERR_NET);
	unsetenv("http_proxy");
}

/* Last: the server sleeps on it. */
static void http_get_gives_up_a_silent_server(void **state)
{
	struct http_response r;
	struct err e = { 0 };
	const struct http_request q = { .url = at("/silent"), .proxy = "", .stall_ms = 1000 };

	(void)state;
	assert_int_equal(http_get(&r, &q, &e), ERR_NET);
	assert_int_equal(r.status, 0);
	assert_true(r.took_ms < 30000); /* when the server would have spoken */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_get_gives_body_and_headers),
		cmocka_unit_test(http_head_brings_a_date_and_no_body),
		cmocka_unit_test(http_get_stops_at_the_cap),
		cmocka_unit_test(http_get_says_what_the_server_refused),
		cmocka_unit_test(http_get_leaves_http_for_nothing_else),
		cmocka_unit_test(http_get_repeats_a_busy_server),
		cmocka_unit_test(http_get_holds_the_server_to_its_range),
		cmocka_unit_test(http_get_hands_the_sinks_refusal_back),
		cmocka_unit_test(http_get_shows_no_secret),
		cmocka_unit_test(http_get_goes_through_the_proxy_it_is_told),
		cmocka_unit_test(http_get_gives_up_a_silent_server),
	};
	return cmocka_run_group_tests(tests, start_server, end_server);
}
