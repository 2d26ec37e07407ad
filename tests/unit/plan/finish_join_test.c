/* A cluster that does what it is asked for, and loses the answers; with a real etcd nodes join in
 * tests/interop. */
#include "plan/finish_join.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LET_GO = 42 };

static struct arena arena = ARENA(64 << 20);

/* A request as a whole, so that nothing of it is left when the connection is closed. */
static void read_request(int client, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(client, text + len, room - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		text[len] = 0;
	} while (n > 0 && (!strstr(text, "\r\n\r\n") ||
				  (!strncmp(text, "POST", 4) && text[len - 1] != '}')));
}

static void answer(int client, const char *status, const char *body)
{
	dprintf(client, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
		strlen(body), body);
	close(client);
}

static const char *list(bool added, bool promoted)
{
	return arena_print(&arena,
		"{\"header\":{\"cluster_id\":\"9\"},\"members\":[{\"ID\":\"1\",\"name\":\"m1\","
		"\"peerURLs\":[\"https://127.0.0.1:1\"],\"clientURLs\":[\"x\"]}%s%s]}",
		added ? ",{\"ID\":\"2\",\"name\":\"m2\",\"peerURLs\":[\"https://127.0.0.1:2\"],"
			"\"clientURLs\":[\"x\"],\"isLearner\":"
		      : "",
		!added     ? ""
		: promoted ? "false}"
			   : "true}");
}

/* Ends once the lock is let go of, which it has to be asked for twice. */
static pid_t serve(int fd)
{
	static const char busy[] = "{\"error\":\"etcdserver: request timed out\",\"code\":14}";
	bool added = false, promoted = false, asked = false;
	char text[8192];
	const pid_t child = fork();

	if (child)
		return child;
	alarm(120);
	for (;;) {
		const int client = accept(fd, NULL, NULL);
		read_request(client, text, sizeof text);
		if (strstr(text, "/member/list ")) {
			answer(client, "200 OK", list(added, promoted));
		} else if (strstr(text, "/member/add ")) {
			added = true;
			answer(client, "503 Busy", busy);
		} else if (strstr(text, "/member/promote ")) {
			promoted = true;
			answer(client, "503 Busy", busy);
		} else if (strstr(text, "/lease/grant ")) {
			answer(client, "200 OK", "{\"ID\":\"7\",\"TTL\":\"45\"}");
		} else if (strstr(text, "/lease/revoke ")) {
			answer(client, asked ? "200 OK" : "503 Busy", asked ? "{}" : busy);
			if (asked)
				_exit(LET_GO);
			asked = true;
		} else if (strstr(text, "/version ")) {
			answer(client, "200 OK", "{\"etcdcluster\":\"3.5.0\"}");
		} else {
			answer(client, "200 OK", "{\"header\":{},\"succeeded\":true}");
		}
	}
}

static void what_was_done_counts_though_its_answer_was_lost(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	const char *peer = "https://127.0.0.1:2", *seed;
	socklen_t len = sizeof at;
	struct err e = { 0 };
	int status;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	seed = arena_print(&arena, "http://127.0.0.1:%u", ntohs(at.sin_port));
	const pid_t child = serve(fd);
	const struct finish_cluster cluster = {
		.what = "etcd", .urls = { &peer, 1 }, .seeds = { &seed, 1 }
	};
	struct finish_join join = { .arena = &arena,
		.cluster = &cluster,
		.name = "m2",
		.wait = { .deadline_ms = monotonic_ms() + 120000 } };
	if (finish_join(&join, &e))
		fail_msg("%s", e.text);
	assert_true(join.added && join.promoted && join.own == 2);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == LET_GO);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_done_counts_though_its_answer_was_lost),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
