#include "plan/finish_join_lock.h"

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

#include "base/buf.h"
#include "codec/text.h"
#include "os/file.h"

static struct arena arena = ARENA(64 << 20);
static struct err e;

static void the_answer_says_who_has_it(void **state)
{
	static const struct {
		const char *answer, *held;
		int code;
	} rows[] = {
		{ "{\"header\":{},\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}", NULL,
			0 },
		{ "{\"header\":{},\"responses\":[{\"response_range\":{\"kvs\":[{\"key\":\"YQ==\","
		  "\"value\":\"bTkgeCAxNw==\"}],\"count\":\"1\"}}]}",
			"m9 x 17", 0 },
		/* It went in between. */
		{ "{\"header\":{},\"responses\":[{\"response_range\":{}}]}", "", 0 },
		{ "{}", NULL, ERR_FORMAT },
		{ "[]", NULL, ERR_FORMAT },
		{ "{\"header\":{},\"responses\":[{\"response_range\":{\"kvs\":[{\"value\":\"?\"}]}}"
		  "]}",
			NULL, ERR_FORMAT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *held = NULL;
		e = (struct err){ 0 };
		assert_int_equal(
			join_lock_judge(&held, &arena, str_from(rows[i].answer), &e), rows[i].code);
		if (!rows[i].held)
			assert_null(held);
		else
			assert_string_equal(held, rows[i].held);
	}
}

static void only_of_a_process_of_this_boot_it_is_known_that_it_died(void **state)
{
	CLEAN_ROOT struct root machine = NO_ROOT;
	char boot[64];

	(void)state;
	assert_int_equal(root_open(&machine, "/", &e), 0);
	file_read_line(boot, sizeof boot, &machine, "proc/sys/kernel/random/boot_id");
	assert_true(*boot);
	const pid_t gone = fork();
	if (!gone)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	const char *dead = arena_print(&arena, "m1 %s %d", boot, (int)gone);
	assert_true(join_lock_is_dead(dead, "m1"));
	assert_false(join_lock_is_dead(dead, "m2"));
	assert_false(
		join_lock_is_dead(arena_print(&arena, "m1 %s %d", boot, (int)getppid()), "m1"));
	assert_false(join_lock_is_dead(arena_print(&arena, "m1 another-boot %d", (int)gone), "m1"));
	assert_false(join_lock_is_dead(arena_print(&arena, "m1 %s -5", boot), "m1"));
	assert_false(join_lock_is_dead(arena_print(&arena, "m1 %s", boot), "m1"));
	assert_false(join_lock_is_dead("", "m1"));
}

/* A request as a whole, so that nothing of it is left when the connection is closed. */
static void read_request(int client, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(client, text + len, room - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		text[len] = 0;
	} while (n > 0 && (!strstr(text, "\r\n\r\n") || text[len - 1] != '}'));
}

/* A lease, a lock that stands there with `value`, and then one that may be taken over; ends well if
 * the latter was asked for what stands there. */
static pid_t serve(int fd, const char *value)
{
	const pid_t child = fork();
	const char *const answers[] = { "{\"ID\":\"7\",\"TTL\":\"45\"}",
		arena_print(&arena,
			"{\"header\":{},\"responses\":[{\"response_range\":{\"kvs\":[{\"value\":"
			"\"%s\"}]}}]}",
			value),
		"{\"header\":{},\"succeeded\":true}" };
	char text[8192] = "";

	if (child)
		return child;
	alarm(30);
	for (size_t i = 0; i < 3; i++) {
		const int client = accept(fd, NULL, NULL);
		read_request(client, text, sizeof text);
		dprintf(client,
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
			strlen(answers[i]), answers[i]);
		close(client);
	}
	_exit(!strstr(text, "\"target\":\"VALUE\"") || !strstr(text, "\"lease\":\"7\""));
}

/* The answer to an earlier try was lost, and its lease is not the one that is kept alive now. */
static void what_is_ours_already_gets_the_lease_of_now(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEAN_BUF struct buf value = BUF(4096);
	CLEAN_ROOT struct root machine = NO_ROOT;
	struct finish_etcd etcd = { .prefix = "/v3" };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct join_lock lock = { 0 };
	socklen_t len = sizeof at;
	char boot[64];
	int status;

	(void)state;
	e = (struct err){ 0 };
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(root_open(&machine, "/", &e), 0);
	file_read_line(boot, sizeof boot, &machine, "proc/sys/kernel/random/boot_id");
	const struct str held = str_from(arena_print(&arena, "m1 %s %ld", boot, (long)getpid()));
	assert_int_equal(
		codec_text_base64(&value, (struct span){ (const uint8_t *)held.p, held.len }, &e),
		0);
	const pid_t child = serve(fd, arena_copy(&arena, buf_text(&value)));
	etcd.url = arena_print(&arena, "http://127.0.0.1:%u", ntohs(at.sin_port));
	etcd.peer.session = http_session_open();
	if (join_lock_take(&lock, &etcd, &arena, "m1", &e))
		fail_msg("%s", e.text);
	http_session_close(etcd.peer.session);
	close(fd);
	assert_true(lock.held && lock.lease == 7);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_says_who_has_it),
		cmocka_unit_test(only_of_a_process_of_this_boot_it_is_known_that_it_died),
		cmocka_unit_test(what_is_ours_already_gets_the_lease_of_now),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
