#include "plan/survivors.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLUSTER = 0xcafe, OLD = 0xbeef };

/* A listening socket of the loopback. */
static int listening(unsigned short *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Takes `silent` connections and says nothing to them, then answers the next as a member of
 * CLUSTER does. */
static pid_t serve(int fd, unsigned silent)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nX-Etcd-Cluster-Id: cafe\r\n"
				     "Content-Length: 2\r\n\r\n[]";
	const pid_t child = fork();
	char line[4096];

	if (child)
		return child;
	while (1) {
		const int client = accept(fd, NULL, NULL);
		if (silent) {
			silent--;
			continue;
		}
		if (read(client, line, sizeof line) > 0)
			(void)!write(client, answer, sizeof answer - 1);
		close(client);
	}
}

static int no_more(void *ctx, struct err *e)
{
	(*(unsigned *)ctx)++;
	return err_set(e, ERR_DECLINED, "stop");
}

/* What is told of the other one of two members. */
static struct survivors_answer ask(unsigned silent, unsigned patience_ms, unsigned *stops)
{
	unsigned short port;
	const int fd = listening(&port);
	const pid_t child = serve(fd, silent);
	struct arena a = ARENA(1 << 20);
	struct etcd_member members[] = { { .name = STR("m1") }, { .name = STR("m2") } };
	struct etcd_cluster cluster = { .id = CLUSTER, .members = members, .n_members = 2 };
	const struct survivors_question question = { .cluster = &cluster,
		.own = &members[0],
		.old_id = OLD,
		.connect_ms = 2000,
		/* Who speaks may be slow about it. */
		.total_ms = silent ? 300 : 60000,
		.patience_ms = patience_ms,
		.go_on = stops ? no_more : NULL,
		.ctx = stops };
	const struct str url = str_from(arena_print(&a, "http://127.0.0.1:%u", port));
	struct survivors survivors;
	struct err e = { 0 };

	members[1].urls = &url;
	members[1].n_urls = 1;
	assert_int_equal(survivors_ask(&survivors, &a, &question, &e), 0);
	assert_int_equal(survivors.n, 1);
	struct survivors_answer out = survivors.v[0];
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
	out.why = out.name = out.url = NULL;
	arena_free(&a);
	return out;
}

static void who_says_nothing_is_asked_once(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 0, NULL).kind, SURVIVORS_UNKNOWN);
	assert_int_equal(ask(0, 0, NULL).kind, SURVIVORS_RESTORED);
}

static void with_patience_until_it_speaks(void **state)
{
	(void)state;
	const struct survivors_answer answer = ask(2, 60000, NULL);

	assert_int_equal(answer.kind, SURVIVORS_RESTORED);
	assert_true(answer.cluster_id == CLUSTER);
}

static void patience_ends(void **state)
{
	unsigned stops = 0;

	(void)state;
	assert_int_equal(ask(1000, 1000, NULL).kind, SURVIVORS_UNKNOWN);
	assert_int_equal(ask(1000, 60000, &stops).kind, SURVIVORS_UNKNOWN);
	assert_int_equal(stops, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_says_nothing_is_asked_once),
		cmocka_unit_test(with_patience_until_it_speaks),
		cmocka_unit_test(patience_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
