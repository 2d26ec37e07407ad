#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(struct child *c, int err_end, int out, const char *const *argv, struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	char *const *args;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err_end, STDERR_FILENO);
	/* As in os/process.c: what is pointed to is not changed. */
	memcpy(&args, &argv, sizeof args);
	const int failed = posix_spawn(&c->pid, argv[0], &actions, &attributes, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = failed;
	return failed ? err_sys(e, "%s", argv[0]) : 0;
}

int child_start(struct child *child, const char *const *argv, int out, struct err *e)
{
	int ends[2];

	memset(child, 0, sizeof *child);
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "pipe");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	if (spawn(child, ends[1], out, argv, e)) {
		close(ends[0]);
		close(ends[1]);
		return e->code;
	}
	close(ends[1]);
	child->fd = ends[0];
	return 0;
}

static void take_byte(
	struct child *c, char byte, void (*take)(void *ctx, struct str line), void *ctx)
{
	if (byte != '\n') {
		if (c->len < sizeof c->line)
			c->line[c->len++] = byte;
		else
			c->cut = true;
		return;
	}
	if (!c->cut)
		take(ctx, (struct str){ c->line, c->len });
	c->len = 0;
	c->cut = false;
}

bool child_read(struct child *child, void (*take)(void *ctx, struct str line), void *ctx)
{
	char piece[4096];

	for (;;) {
		const ssize_t n = read(child->fd, piece, sizeof piece);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			if (child->len)
				take_byte(child, '\n', take, ctx);
			child->over = true;
			return false;
		}
		for (ssize_t i = 0; i < n; i++)
			take_byte(child, piece[i], take, ctx);
	}
}

int child_end(struct child *child)
{
	int how = 0;

	close(child->fd);
	while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}
