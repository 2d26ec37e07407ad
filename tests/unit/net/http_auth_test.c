/* What goes over the wire: a child process answers with the very request it got. */
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
static char url[256], host[64];

/* All of a request: its head, and the body Content-Length announces. */
static size_t read_request(int fd, char *text, size_t room)
{
	size_t have = 0, want = SIZE_MAX;

	while (have < room - 1 && have < want) {
		const ssize_t n = read(fd, text + have, room - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		text[have] = 0;
		const char *end = strstr(text, "\r\n\r\n"), *len = strstr(text, "Content-Length: ");
		if (end)
			want = (size_t)(end - text) + 4 + (len ? strtoull(len + 16, NULL, 10) : 0);
	}
	return have;
}

static void answer(int fd)
{
	char request[16384] = "", head[512];
	const size_t len = read_request(fd, request, sizeof request);
	const char *to = strstr(request, "/far")    ? "localhost"
			 : strstr(request, "/near") ? "127.0.0.1"
						    : NULL;

	if (to)
		snprintf(head, sizeof head,
			"HTTP/1.1 302 Go\r\nLocation: http://%s:%u/echo\r\n"
			"x-amz-bucket-region: eu-west-9\r\nContent-Length: 0\r\n\r\n",
			to, port);
	else
		snprintf(head, sizeof head,
			"HTTP/1.1 200 OK\r\nx-amz-version-id: v7\r\nContent-Length: %zu\r\n\r\n",
			len);
	ssize_t ignored = write(fd, head, strlen(head));
	if (!to)
		ignored = write(fd, request, len);
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
	snprintf(host, sizeof host, "Host: 127.0.0.1:%u\r\n", port);
	server = fork();
	if (!server) {
		alarm(120);
		for (;;) {
			const int peer = accept(fd, NULL, NULL);
			answer(peer);
			close(peer);
		}
	}
	close(fd);
	return server < 0;
}

static int end_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	return waitpid(server, NULL, 0) != server;
}

static struct http_request at(const char *path, const struct http_auth *auth)
{
	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
	return (struct http_request){ .url = url, .proxy = "", .auth = auth };
}

/* The request as it was sent, the last one where there were several. */
static const char *sent(struct buf *body, const struct http_request *q)
{
	struct http_response r;
	struct err e = { 0 };

	if (http_get_buf(body, &r, q, 2000, &e))
		print_message("%s\n", e.text);
	assert_int_equal(e.code, 0);
	assert_string_equal(r.version, "v7");
	assert_int_equal(buf_add(body, "", 1, &e), 0);
	return (const char *)body->p;
}

static void http_sends_methods_and_bodies(void **state)
{
	static const char *const headers[] = { "X-One: 1", NULL };
	CLEAN_BUF struct buf body = BUF(20000);
	struct http_request q = at("/echo", NULL);
	const char *text;

	(void)state;
	q.headers = headers;
	text = sent(&body, &q);
	assert_ptr_equal(strstr(text, "GET /echo HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, host));
	assert_non_null(strstr(text, "X-One: 1\r\n"));
	assert_null(strstr(text, "Authorization"));
	q.method = "PUT";
	text = sent(&body, &q);
	assert_ptr_equal(strstr(text, "PUT /echo HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, "Content-Length: 0\r\n"));
	q.method = "POST";
	q.body = (struct span){ (const uint8_t *)"a=1\0b", 5 };
	text = sent(&body, &q);
	assert_ptr_equal(strstr(text, "POST /echo HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, "Content-Length: 5\r\n"));
	assert_memory_equal(text + body.len - 6, "a=1\0b", 5);
	q = at("/echo", NULL);
	q.method = "DELETE";
	text = sent(&body, &q);
	assert_ptr_equal(strstr(text, "DELETE /echo HTTP/1.1\r\n"), text);
}

static void http_stays_when_told_and_when_it_must(void **state)
{
	struct http_request q = at("/near", NULL);
	struct http_response r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(http_get(&r, &q, &e), 0);
	q.stay = true;
	assert_int_equal(http_get(&r, &q, &e), ERR_MISMATCH);
	assert_int_equal(r.status, 302);
	assert_string_equal(r.region, "eu-west-9");
	q = at("/near", NULL);
	q.method = "POST";
	assert_int_equal(http_get(&r, &q, &e), ERR_MISMATCH);
	assert_int_equal(r.status, 302);
}

static void http_takes_credentials_to_no_other_host(void **state)
{
	static const struct http_auth ways[] = {
		{ .kind = HTTP_AUTH_BASIC, .user = "me", .secret = "a:b@c/d e\"" },
		{ .kind = HTTP_AUTH_BEARER, .secret = "canary" },
	};
	CLEAN_BUF struct buf body = BUF(20000);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *shown = i ? "Authorization: Bearer canary\r\n"
				      : "Authorization: Basic bWU6YTpiQGMvZCBlIg==\r\n";
		struct http_request q = at("/echo", &ways[i]);
		assert_non_null(strstr(sent(&body, &q), shown));
		q = at("/near", &ways[i]);
		assert_non_null(strstr(sent(&body, &q), shown));
		q = at("/far", &ways[i]);
		const char *text = sent(&body, &q);
		assert_non_null(strstr(text, "Host: localhost"));
		assert_null(strstr(text, "Authorization"));
	}
}

static void http_signs_for_aws(void **state)
{
	static const struct http_auth auth = {
		.kind = HTTP_AUTH_SIGV4,
		.user = "AKID",
		.secret = "canary",
		.session = "token",
		.region = "eu-west-9",
		.service = "s3",
	};
	CLEAN_BUF struct buf body = BUF(20000);
	struct http_request q = at("/b/./x/../y%2B~?prefix=a%2Bb", &auth);
	struct http_response r;
	struct err e = { 0 };
	const char *text;

	(void)state;
	q.from = 5;
	q.len = 5;
	assert_int_equal(http_get(&r, &q, &e), ERR_MISMATCH); /* no ranges there */
	q.from = q.len = 0;
	text = sent(&body, &q);
	/* Nothing is tidied up: a key may be called so. */
	assert_ptr_equal(strstr(text, "GET /b/./x/../y%2B~?prefix=a%2Bb HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, host));
	assert_null(strstr(strstr(text, "Host:") + 1, "Host:"));
	assert_non_null(strstr(text, "x-amz-security-token: token\r\n"));
	assert_non_null(strstr(text, "Authorization: AWS4-HMAC-SHA256 Credential=AKID/"));
	assert_null(strstr(text, "canary"));
	q = at("/far", &auth);
	assert_int_equal(http_get(&r, &q, &e), ERR_MISMATCH);
	assert_int_equal(r.status, 302);
	assert_string_equal(r.region, "eu-west-9");
}

static void http_reaches_a_server_where_it_is_told(void **state)
{
	const struct http_auth auth = { .kind = HTTP_AUTH_BEARER, .secret = "canary" };
	CLEAN_BUF struct buf body = BUF(20000);
	struct http_session *session = http_session_open();
	struct http_request q = at("/echo", &auth);
	char there[64];

	(void)state;
	snprintf(there, sizeof there, "127.0.0.1:%u", port);
	q.url = "http://no-such-host.invalid:1/echo";
	q.connect_to = there;
	q.session = session;
	const char *text = sent(&body, &q);
	assert_non_null(strstr(text, "Host: no-such-host.invalid:1\r\n"));
	assert_non_null(strstr(text, "Authorization: Bearer canary\r\n"));
	/* The next request knows nothing of it. */
	q = at("/echo", NULL);
	q.session = session;
	text = sent(&body, &q);
	assert_non_null(strstr(text, host));
	assert_null(strstr(text, "Authorization"));
	http_session_close(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_sends_methods_and_bodies),
		cmocka_unit_test(http_stays_when_told_and_when_it_must),
		cmocka_unit_test(http_takes_credentials_to_no_other_host),
		cmocka_unit_test(http_signs_for_aws),
		cmocka_unit_test(http_reaches_a_server_where_it_is_told),
	};
	return cmocka_run_group_tests(tests, start_server, end_server);
}
