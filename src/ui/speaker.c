#include "ui/speaker.h"
#include "base/monotonic.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 128 * 1024, PATIENCE_MS = 5000, AGAIN_MS = 1000 };

struct listener_console {
	int fd; /* -1: hung up, as a terminal is at the end of each shell on it */
	const char *path;
	size_t at;                  /* how far into the text it is */
	int64_t moved_ms, tried_ms; /* when it took something; when it was opened again */
};

/* The text since the start, or its end when it became too long. */
struct speaker {
	struct listener_console v[SPEAKER_MAX];
	size_t n, len;
	char text[TEXT_MAX];
};

static int open_one(const char *path)
{
	/* A device that is not there must not become a file in /dev; a log is made. */
	const int make = strncmp(path, "/dev/", 5) ? O_CREAT : 0;

	/* O_NONBLOCK: a serial port would wait for somebody to pick up. */
	return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | make, 0600);
}

static void open_all(struct speaker *s, const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n && s->n < SPEAKER_MAX; i++) {
		const int fd = open_one(paths[i]);
		if (fd >= 0)
			s->v[s->n++] =
				(struct listener_console){ fd, paths[i], 0, monotonic_ms(), 0 };
	}
}

/* The same console once more: what it had not taken when it hung up, it gets now. */
static bool open_again(struct listener_console *c)
{
	const int64_t now = monotonic_ms();

	if (now - c->tried_ms < AGAIN_MS)
		return false;
	c->tried_ms = now;
	c->fd = open_one(c->path);
	return c->fd >= 0;
}

/* Room for more: the older half goes, and with it what slow consoles had not taken yet. */
static void make_room(struct speaker *s)
{
	const size_t gone = TEXT_MAX / 2;

	if (s->len < TEXT_MAX - 4096)
		return;
	memmove(s->text, s->text + gone, s->len - gone);
	s->len -= gone;
	for (size_t i = 0; i < s->n; i++)
		s->v[i].at = s->v[i].at > gone ? s->v[i].at - gone : 0;
}

static void drop(struct speaker *s, size_t i)
{
	if (s->v[i].fd >= 0)
		close(s->v[i].fd);
	s->v[i] = s->v[--s->n];
}

/* Give each console what it takes now. */
static void pass_on(struct speaker *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct listener_console *c = &s->v[i];
		while (c->at < s->len) {
			if (c->fd < 0 && !open_again(c))
				break;
			const ssize_t n = write(c->fd, s->text + c->at, s->len - c->at);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && errno != EAGAIN) {
				/* Hung up, or no device behind it after all. */
				close(c->fd);
				c->fd = -1;
				c->tried_ms = monotonic_ms();
				break;
			}
			if (n <= 0)
				break;
			c->at += (size_t)n;
			c->moved_ms = monotonic_ms();
		}
	}
}

static bool all_have_all(const struct speaker *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].at < s->len)
			return false;
	}
	return true;
}

static void drop_the_dead(struct speaker *s)
{
	const int64_t now = monotonic_ms();

	for (size_t i = 0; i < s->n;) {
		if (s->v[i].at < s->len && now - s->v[i].moved_ms > PATIENCE_MS)
			drop(s, i);
		else
			i++;
	}
}

/* Wait for text, for the speaker's end, or for a console that can take some. */
static void wait_any(struct speaker *s, int in, int life)
{
	struct pollfd p[SPEAKER_MAX + 2];
	nfds_t n = 0;

	if (in >= 0) {
		p[n++] = (struct pollfd){ .fd = in, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = life, .events = POLLIN };
	}
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].at < s->len && s->v[i].fd >= 0)
			p[n++] = (struct pollfd){ .fd = s->v[i].fd, .events = POLLOUT };
	}
	poll(p, n, 500);
}

/* Take a piece of what there is; false when nothing more will come.  One piece at a time, so
 * that consoles which keep up have passed it on before the next one pushes it out. */
static bool take(struct speaker *s, int in, int life)
{
	/* Asked first: what was written before the end is then in the pipe already. */
	struct pollfd end = { .fd = life, .events = POLLIN };
	const bool over = poll(&end, 1, 0) > 0;

	make_room(s);
	const ssize_t n = read(in, s->text + s->len, TEXT_MAX - s->len);
	if (n > 0)
		s->len += (size_t)n;
	return n > 0 || (n < 0 && errno == EINTR) || (n < 0 && errno == EAGAIN && !over);
}

static _Noreturn void speak(int in, int life, const char *const *paths, size_t n)
{
	static struct speaker s;
	bool more = true;

	open_all(&s, paths, n);
	while (more || !all_have_all(&s)) {
		wait_any(&s, more ? in : -1, life);
		if (more && !(more = take(&s, in, life))) {
			for (size_t i = 0; i < s.n; i++)
				s.v[i].moved_ms = monotonic_ms();
		}
		pass_on(&s);
		if (!more)
			drop_the_dead(&s);
	}
	_exit(0);
}

int speaker_start(int *pipe_end, const char *const *paths, size_t n, struct err *e)
{
	int text[2], life[2];

	if (pipe2(text, O_CLOEXEC))
		return err_sys(e, "pipe");
	if (pipe2(life, O_CLOEXEC)) {
		err_sys(e, "pipe");
		goto no_life;
	}
	const pid_t child = fork();
	if (child < 0) {
		err_sys(e, "fork");
		goto no_child;
	}
	if (!child) {
		close(text[1]);
		close(life[1]);
		/* In a session of its own by now: no hang-up and no job control may stop it. */
		setsid();
		signal(SIGPIPE, SIG_IGN);
		/* Who waits for the end of our output is not waiting for a slow console. */
		for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
			if (fd != text[0] && fd != life[0])
				close(fd);
		}
		fcntl(text[0], F_SETFL, O_NONBLOCK);
		speak(text[0], life[0], paths, n);
	}
	close(text[0]);
	close(life[0]);
	/* life[1] stays open, and is closed by this process's end or by its exec. */
	*pipe_end = text[1];
	return 0;
no_child:
	close(life[0]);
	close(life[1]);
no_life:
	close(text[0]);
	close(text[1]);
	return e->code;
}
