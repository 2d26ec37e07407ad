#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/file.h"
#include "plan/report.h"
#include "plan/report_send.h"

static struct arena arena = ARENA(64 << 20);
static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/etcd-rescue-report-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static char *content(const char *path)
{
	CLEAN_BUF struct buf b = BUF(1 << 20);
	CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(file_read_fd(&b, fd, &e), 0);
	return arena_copy(&arena, buf_text(&b));
}

static const char *below(const char *name)
{
	return arena_print(&arena, "%s/%s", dir, name);
}

static int listener_on(int type, unsigned *port)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof name;
	const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	*port = ntohs(name.sin_port);
	return fd;
}

static void tell_a_story(const struct listener *l)
{
	event_step(l, "identify", "which node is this");
	event_done(l, "identify", "ncn-m001");
	event_step(l, "fetch", "s3://b/a.db");
	event_progress(l, "fetch", 1, 2);
	event_warning(l, "fetch", "slow\nvery");
	event_step(l, "commit", "now");
}

static void events_are_kept_and_go_to_the_target_with_what_came_before(void **state)
{
	const struct report_wish wish = { .dir = dir };
	struct report *r = report_open(&arena, &wish);
	const struct listener l = report_listener(r);
	CLEAN_ROOT struct root target = NO_ROOT;
	struct err e = { 0 };
	char command[200];

	(void)state;
	assert_int_equal(mkdir(below("disk"), 0755), 0);
	assert_int_equal(mkdir(below("disk/var"), 0755), 0);
	assert_int_equal(root_open(&target, below("disk"), &e), 0);
	event_step(&l, "identify", "before the disk");
	report_facts(r, &(struct report_facts){ .plan = "0123456789abcdef" });
	assert_int_equal(report_target(r, &target, "var/log/etcd-rescue", &e), 0);
	event_step(&l, "commit", "on the disk");
	CLOSE_FD int fd = open(below("bundle"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "packed", 6), 6);
	assert_int_equal(report_target_copy(r, below("bundle"), ".tar.zst", &e), 0);
	assert_int_equal(report_target_copy(r, below("nothing"), ".x", &e), ERR_NOTFOUND);
	report_end(r, 0, NULL);
	assert_int_equal(report_target_copy(r, below("bundle"), ".tar.zst", &e), ERR_NOTFOUND);
	report_close(r);
	snprintf(command, sizeof command,
		"cat %s/disk/var/log/etcd-rescue/*-01234567.jsonl >%s/all", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command,
		"cat %s/disk/var/log/etcd-rescue/*-01234567.tar.zst >%s/copy", dir, dir);
	assert_int_equal(system(command), 0);
	assert_string_equal(content(below("copy")), "packed");
	const char *there = content(below("all")), *here = content(below(REPORT_EVENTS));
	assert_string_equal(there, here);
	assert_non_null(strstr(there, "before the disk"));
	assert_non_null(strstr(there, "on the disk"));
	assert_non_null(strstr(there, "\"result\":\"done\""));
}

static void link_on_the_target_is_not_followed(void **state)
{
	const struct report_wish wish = { .dir = dir };
	struct report *r = report_open(&arena, &wish);
	CLEAN_ROOT struct root target = NO_ROOT;
	struct err e = { 0 };

	(void)state;
	mkdir(below("outside"), 0755);
	mkdir(below("disk"), 0755);
	mkdir(below("disk/var"), 0755);
	assert_int_equal(symlink("../../outside", below("disk/var/log")), 0);
	assert_int_equal(root_open(&target, below("disk"), &e), 0);
	assert_int_not_equal(report_target(r, &target, "var/log/etcd-rescue", &e), 0);
	assert_int_equal(rmdir(below("outside")), 0);
	report_end(r, 0, NULL);
	report_close(r);
}

static void phases_of_the_boot_process_count_and_a_persons_time_does_not(void **state)
{
	CLOSE_FD int fd = open(below(REPORT_EVENTS), O_WRONLY | O_CREAT | O_APPEND, 0600);
	const struct report_wish wish = { .dir = dir, .image = true };

	(void)state;
	/* Half a line, as a power cut leaves it, is no reason to fall. */
	dprintf(fd, "{\"event\":\"step\",\"step\":\"drivers\",\"uptime_ms\":1000}\n"
		    "{\"event\":\"step\",\"step\":\"ask\",\"uptime_ms\":3000}\n{\"event\":\"st");
	dprintf(fd, "\n");
	struct report *r = report_open(&arena, &wish);
	const struct listener l = report_listener(r);
	event_step(&l, "fetch", "x");
	report_end(r, 1, NULL);
	report_close(r);
	const char *said = strstr(content(below(REPORT_EVENTS)), "\"phases\":");
	assert_non_null(said);
	assert_non_null(strstr(
		said, "{\"name\":\"kernel\",\"ms\":1000},{\"name\":\"drivers\",\"ms\":2000}"));
	assert_non_null(strstr(said, "\"name\":\"ask\""));
	long long ours = -1, total = -1;
	assert_int_equal(sscanf(strstr(said, "\"total_ms\""), "\"total_ms\":%lld,\"ours_ms\":%lld",
				 &total, &ours),
		2);
	/* Two seconds of drivers and the moment of this test; not the kernel's one, not the rest.
	 */
	assert_true(ours >= 2000 && ours < 30000);
	assert_true(total >= ours + 1000);
}

static void syslog_lines_come_by_udp_in_rfc_5424(void **state)
{
	char line[2048], address[64];
	unsigned port;
	CLOSE_FD int fd = listener_on(SOCK_DGRAM, &port);

	(void)state;
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	const struct report_wish wish = { .syslog = address };
	struct report *r = report_open(&arena, &wish);
	const struct listener l = report_listener(r);
	report_facts(r, &(struct report_facts){ .node = "ncn m001" });
	tell_a_story(&l);
	report_end(r, 0, NULL);
	report_close(r);
	ssize_t n = recv(fd, line, sizeof line - 1, 0);
	assert_true(n > 0);
	line[n] = '\0';
	assert_memory_equal(line, "<29>1 2", 7);
	assert_non_null(strstr(line, "Z ncn_m001 etcd-rescue "));
	assert_non_null(strstr(line, " step - identify: which node is this"));
	for (int i = 0; i < 3; i++)
		n = recv(fd, line, sizeof line - 1, 0);
	line[n] = '\0';
	/* No line end of an event makes a line of its own; progress is not told. */
	assert_memory_equal(line, "<28>1 2", 7);
	assert_non_null(strstr(line, " warning - fetch: slow"));
	assert_null(strchr(line, '\n'));
}

static void syslog_by_tcp_counts_its_octets(void **state)
{
	char text[4096] = "", address[64];
	unsigned port, n_lines = 0;
	CLOSE_FD int fd = listener_on(SOCK_STREAM, &port);

	(void)state;
	snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port);
	const struct report_wish wish = { .syslog = address };
	struct report *r = report_open(&arena, &wish);
	const struct listener l = report_listener(r);
	tell_a_story(&l);
	report_end(r, 0, NULL);
	report_close(r);
	CLOSE_FD int peer = accept(fd, NULL, NULL);
	size_t len = 0;
	ssize_t n;
	while ((n = recv(peer, text + len, sizeof text - 1 - len, 0)) > 0)
		len += (size_t)n;
	for (char *p = text; *p; n_lines++) {
		char *end;
		const unsigned long count = strtoul(p, &end, 10);
		assert_int_equal(*end, ' ');
		assert_memory_equal(end + 1, "<", 1);
		assert_true(strlen(end + 1) >= count);
		p = end + 1 + count;
	}
	assert_int_equal(n_lines, 5);
}

/* A server in a process of its own: refuses PUT when it shall, writes every body to a file. */
static pid_t serve(int fd, bool refuses_put, const char *path)
{
	const pid_t pid = fork();

	if (pid)
		return pid;
	const int out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	for (;;) {
		char text[16384] = "";
		size_t len = 0, want = SIZE_MAX;
		const int peer = accept(fd, NULL, NULL);
		while (len < want && len < sizeof text - 1) {
			const ssize_t n = recv(peer, text + len, sizeof text - 1 - len, 0);
			if (n <= 0)
				break;
			len += (size_t)n;
			text[len] = '\0';
			const char *head_end = strstr(text, "\r\n\r\n");
			const char *length = strcasestr(text, "content-length:");
			if (head_end && length)
				want = (size_t)(head_end + 4 - text) +
				       strtoul(length + 15, NULL, 10);
		}
		const bool refused = refuses_put && !strncmp(text, "PUT", 3);
		const char *body = strstr(text, "\r\n\r\n");
		if (!refused && body)
			dprintf(out, "%.4s%s\n", text, body + 4);
		dprintf(peer, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			refused ? "405 No" : "200 OK");
		close(peer);
	}
}

static void final_report_comes_by_http(void **state)
{
	for (int refuses_put = 0; refuses_put < 2; refuses_put++) {
		char address[64], name[32];
		unsigned port;
		CLOSE_FD int fd = listener_on(SOCK_STREAM, &port);

		snprintf(name, sizeof name, "bodies%d", refuses_put);
		snprintf(address, sizeof address, "http://127.0.0.1:%u/x", port);
		const pid_t server = serve(fd, refuses_put, below(name));
		const struct report_wish wish = { .url = address, .proxy = "" };
		struct report *r = report_open(&arena, &wish);
		const struct listener l = report_listener(r);
		const struct err why = { .code = ERR_NET, .text = "no route" };
		report_facts(
			r, &(struct report_facts){ .node = "m1", .plan = "abc", .snapshot = "ff" });
		tell_a_story(&l);
		report_end(r, 5, &why);
		report_close(r);
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		const char *said = content(below(name));
		assert_memory_equal(said, refuses_put ? "POST" : "PUT ", 4);
		const char *last = strstr(said, "\"event\":\"report\"");
		assert_non_null(last);
		assert_non_null(
			strstr(last, "\"result\":\"holding\",\"status\":5,\"step\":\"commit\","
				     "\"reason\":\"no route\",\"node\":\"m1\",\"plan\":\"abc\","
				     "\"snapshot\":\"ff\""));
	}
	(void)state;
}

static int64_t time_of_3000_lines(const struct listener *l)
{
	const int64_t start = monotonic_ms();

	for (int i = 0; i < 3000; i++)
		event_step(l, i % 2 ? "one" : "two", "a line that nobody takes");
	return monotonic_ms() - start;
}

/* A server that answers nothing, and a syslog server that is not there: the restore goes on. */
static void silent_servers_hold_up_nothing(void **state)
{
	char address[64], syslog[64];
	unsigned port, nobody;
	CLOSE_FD int fd = listener_on(SOCK_STREAM, &port);
	CLOSE_FD int gone = listener_on(SOCK_STREAM, &nobody);

	(void)state;
	file_close(&gone);
	snprintf(address, sizeof address, "http://127.0.0.1:%u/x", port);
	snprintf(syslog, sizeof syslog, "tcp://127.0.0.1:%u", nobody);
	/* Without anybody, for how long that takes here. */
	struct report *r = report_open(&arena, &(struct report_wish){ .proxy = "" });
	struct listener l = report_listener(r);
	const int64_t alone = time_of_3000_lines(&l);
	report_close(r);
	const struct report_wish wish = { .url = address, .syslog = syslog, .proxy = "" };
	r = report_open(&arena, &wish);
	l = report_listener(r);
	assert_in_range(time_of_3000_lines(&l), 0, 5000 + 10 * alone);
	const int64_t start = monotonic_ms();
	report_end(r, 0, NULL);
	report_close(r);
	/* Ten seconds for the network, and then an end; also of the processes. */
	assert_true(monotonic_ms() - start < 30000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void address_of_a_syslog_server_is_taken_apart(void **state)
{
	char host[64];
	unsigned port;
	bool tcp;

	(void)state;
	assert_true(sender_address(host, sizeof host, &port, &tcp, "tcp://[2001:db8::1]:6514"));
	assert_string_equal(host, "2001:db8::1");
	assert_int_equal(port, 6514);
	assert_true(tcp);
	assert_true(sender_address(host, sizeof host, &port, &tcp, "log.example"));
	assert_int_equal(port, 514);
	assert_false(tcp);
	assert_false(sender_address(host, sizeof host, &port, &tcp, "log:x"));
	assert_false(sender_address(host, sizeof host, &port, &tcp, "log:0"));
	assert_false(sender_address(host, sizeof host, &port, &tcp, ":514"));
	assert_false(sender_address(host, 4, &port, &tcp, "log.example:514"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(events_are_kept_and_go_to_the_target_with_what_came_before),
		T(link_on_the_target_is_not_followed),
		T(phases_of_the_boot_process_count_and_a_persons_time_does_not),
		T(syslog_lines_come_by_udp_in_rfc_5424),
		T(syslog_by_tcp_counts_its_octets),
		T(final_report_comes_by_http),
		T(silent_servers_hold_up_nothing),
		T(address_of_a_syslog_server_is_taken_apart),
	};
	const int failed = cmocka_run_group_tests_name("report", tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
