#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/file.h"

extern char **environ;

static int start(pid_t *pid, int read_end, int write_end, const char *const *argv, struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (read_end < 0)
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, read_end, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, write_end, STDERR_FILENO);
	/* posix_spawn wants char *const *, as execve does, and like it changes nothing. */
	char *const *args;
	memcpy(&args, &argv, sizeof args);
	errno = posix_spawn(pid, argv[0], &actions, &attributes, args, environ);
	const int failed = errno;
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = failed;
	return failed ? err_sys(e, "%s", argv[0]) : 0;
}

/* Read until the program closes its end; 1 when the time is over first. */
static int collect(int fd, int64_t deadline, struct buf *output)
{
	struct err ignored;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		const int64_t left = deadline - monotonic_ms();
		if (left <= 0)
			return 1;
		const int n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
		if (n < 0 && errno != EINTR)
			return 0;
		if (n <= 0)
			continue;
		uint8_t block[4096];
		size_t got = 0;
		if (file_read_some(&got, fd, block, sizeof block, &ignored) || !got)
			return 0;
		if (output)
			buf_add(output, block, got, &ignored);
	}
}

static int wait_end(pid_t pid, int *how, int64_t deadline)
{
	/* The pipe is closed, so the end is near; but a program may close it and go on. */
	for (;;) {
		const pid_t got = waitpid(pid, how, WNOHANG);
		if (got == pid)
			return 0;
		if (got < 0 && errno != EINTR)
			return -1;
		if (monotonic_ms() >= deadline)
			return 1;
		const struct timespec pause = { .tv_nsec = 2000000 };
		nanosleep(&pause, NULL);
	}
}

static int run(int *status, const char *const *argv, int input, int timeout_ms, struct buf *output,
	struct err *e)
{
	const int64_t deadline = monotonic_ms() + timeout_ms;
	int ends[2], how = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "pipe");
	if (start(&pid, input, ends[1], argv, e)) {
		close(ends[0]);
		close(ends[1]);
		return e->code;
	}
	close(ends[1]);
	const int end = collect(ends[0], deadline, output) ? 1 : wait_end(pid, &how, deadline);
	const int errnum = errno;
	close(ends[0]);
	/* A parent that ignores SIGCHLD leaves its children nobody to tell. */
	if (end < 0) {
		errno = errnum;
		return err_sys(e, "%s: how it ended is not known", argv[0]);
	}
	if (end > 0) {
		kill(pid, SIGKILL);
		/* A program stuck in the kernel does not die; it is left to PID 1. */
		wait_end(pid, &how, monotonic_ms() + 500);
		return err_set(
			e, ERR_IO, "%s: no end after %d seconds", argv[0], timeout_ms / 1000);
	}
	*status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
	return 0;
}

int process_run(
	int *status, const char *const *argv, int timeout_ms, struct buf *output, struct err *e)
{
	return run(status, argv, -1, timeout_ms, output, e);
}

int process_feed(int *status, const char *const *argv, struct span input, int timeout_ms,
	struct buf *output, struct err *e)
{
	CLOSE_FD int read_end = -1;
	CLOSE_FD int write_end = -1;
	int ends[2];

	/* All of it fits into the pipe, so nobody waits for a reader. */
	if (input.len > PROCESS_INPUT_MAX)
		return err_set(e, ERR_SPACE, "more than %d bytes of input", PROCESS_INPUT_MAX);
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "pipe");
	read_end = ends[0];
	write_end = ends[1];
	if (input.len && file_write(write_end, input.p, input.len, e))
		return e->code;
	file_close(&write_end);
	return run(status, argv, read_end, timeout_ms, output, e);
}
