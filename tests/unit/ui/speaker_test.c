#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/file.h"
#include "ui/speaker.h"

struct place {
	char dir[40], log[60], dead[60];
	int dead_end;
};

/* A log, and a pipe that nobody empties: it takes 64 KB and then nothing, as a port does that
 * waits for the other side. */
static void make_place(struct place *p)
{
	strcpy(p->dir, "/tmp/etcd-rescue-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->log, sizeof p->log, "%s/log", p->dir);
	snprintf(p->dead, sizeof p->dead, "%s/dead", p->dir);
	assert_int_equal(mkfifo(p->dead, 0600), 0);
	p->dead_end = open(p->dead, O_RDONLY | O_NONBLOCK);
	assert_true(p->dead_end >= 0);
}

static void drop_place(struct place *p)
{
	close(p->dead_end);
	unlink(p->log);
	unlink(p->dead);
	rmdir(p->dir);
}

/* Nobody has it open for writing any more; what it took can still be read. */
static bool is_given_up(const struct place *p)
{
	struct pollfd end = { .fd = p->dead_end };

	return poll(&end, 1, 0) > 0 && end.revents & POLLHUP;
}

/* The speaker lives as long as the program that started it, so that is a child here.  How many
 * milliseconds it took to say it all. */
static int64_t speak_from_a_child(
	const struct place *p, const char *const *paths, size_t n, size_t n_lines)
{
	const int64_t begin = monotonic_ms();
	struct err e = { 0 };
	int out;

	const pid_t pid = fork();
	if (!pid) {
		if (speaker_start(&out, paths, n, &e))
			_exit(1);
		/* A daemon that stays behind with our descriptors must not keep the speaker. */
		if (!fork()) {
			close(STDOUT_FILENO);
			close(STDERR_FILENO);
			sleep(4);
			_exit(0);
		}
		for (size_t i = 0; i < n_lines; i++)
			dprintf(out, "line %06zu of the story that is told to everybody\n", i);
		/* Nobody is given up before the end, to get on. */
		_exit(is_given_up(p) ? 2 : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return monotonic_ms() - begin;
}

static size_t lines_of(const char *path)
{
	CLEAN_BUF struct buf b = BUF(16 << 20);
	CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };
	size_t n = 0;

	assert_int_equal(file_read_fd(&b, fd, &e), 0);
	for (size_t i = 0; i < b.len; i++)
		n += b.p[i] == '\n';
	return n;
}

/* The log has all of it before the other one is given up. */
static bool log_becomes(const struct place *p, size_t n_lines)
{
	const int64_t deadline = monotonic_ms() + 60000;

	while (lines_of(p->log) != n_lines) {
		if (monotonic_ms() > deadline)
			return false;
		usleep(10000);
	}
	return !is_given_up(p);
}

static void speaker_does_not_wait_for_a_console_that_takes_nothing(void **state)
{
	struct place p;

	(void)state;
	make_place(&p);
	const char *paths[] = { p.dead, p.log, "/dev/etcd-rescue-no-such-port" };
	/* 1 MB: more than pipes and buffers hold.  How long that takes here is seen first. */
	const int64_t alone = speak_from_a_child(&p, (const char *[]){ "/dev/null" }, 1, 20000);
	const int64_t beside = speak_from_a_child(&p, paths, 3, 20000);
	assert_in_range(beside, 0, 3000 + 10 * alone);
	assert_true(log_becomes(&p, 20000));
	/* A device that is not there has not become a file. */
	assert_int_not_equal(access("/dev/etcd-rescue-no-such-port", F_OK), 0);
	drop_place(&p);
}

static void speaker_gives_a_slow_console_what_it_missed(void **state)
{
	struct place p;
	char piece[4096];
	size_t lines = 0;

	(void)state;
	make_place(&p);
	const char *paths[] = { p.dead, p.log };
	speak_from_a_child(&p, paths, 2, 2000); /* 100 KB: more than the pipe holds */
	assert_true(log_becomes(&p, 2000));
	/* Now somebody reads, slowly, after the program has ended, and until the speaker has. */
	for (ssize_t n = 1; n;) {
		struct pollfd text = { .fd = p.dead_end, .events = POLLIN };
		assert_int_equal(poll(&text, 1, 60000), 1);
		n = read(p.dead_end, piece, sizeof piece);
		assert_true(n >= 0);
		for (ssize_t k = 0; k < n; k++)
			lines += piece[k] == '\n';
		usleep(2000);
	}
	assert_int_equal(lines, 2000);
	drop_place(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speaker_does_not_wait_for_a_console_that_takes_nothing),
		cmocka_unit_test(speaker_gives_a_slow_console_what_it_missed),
	};
	alarm(300); /* who waits does so for ever */
	return cmocka_run_group_tests_name("speaker", tests, NULL, NULL);
}
