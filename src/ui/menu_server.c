#include "ui/menu_server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/monotonic.h"

int menu_server_open(struct menu_server *s, const char *path, struct err *e)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	*s = NO_MENU_SERVER;
	if (strlen(path) >= sizeof name.sun_path)
		return err_set(e, ERR_USAGE, "%s: too long for a socket", path);
	strcpy(name.sun_path, path);
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return err_sys(e, "%s", path);
	/* Of a process that is gone: who holds the lock of `boot` is the only one. */
	unlink(path);
	const mode_t before = umask(0177);
	const int failed = bind(s->fd, (struct sockaddr *)&name, sizeof name);
	umask(before);
	if (failed || listen(s->fd, MENU_CONSOLES)) {
		err_sys(e, "%s", path);
		close(s->fd);
		s->fd = -1;
		return e->code;
	}
	s->path = path;
	return 0;
}

void menu_server_close(struct menu_server *s)
{
	if (s->fd < 0)
		return;
	for (size_t i = 0; i < s->n; i++)
		close(s->clients[i]);
	close(s->fd);
	unlink(s->path);
	*s = NO_MENU_SERVER;
}

static bool send_state(const struct menu_server *s, size_t i)
{
	char text[MENU_MESSAGE];
	const size_t len = menu_state_write(text, &s->state);

	return send(s->clients[i], text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void drop(struct menu_server *s, size_t i)
{
	close(s->clients[i]);
	s->clients[i] = s->clients[--s->n];
}

void menu_server_tell(struct menu_server *s, const struct menu_state *state)
{
	s->state = *state;
	for (size_t i = s->n; i-- > 0;) {
		if (!send_state(s, i))
			drop(s, i);
	}
}

static void let_in(struct menu_server *s)
{
	int fd;

	while (s->n < MENU_CONSOLES &&
		(fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		s->clients[s->n++] = fd;
		/* It may have asked and gone while nobody listened: what it said counts. */
		send_state(s, s->n - 1);
	}
}

/* What this process does for a console; the rest a console does by itself. */
static bool is_offered(const struct menu_server *s, const struct menu_ask *ask)
{
	unsigned by = 1u << ask->choice;

	if (ask->choice == MENU_KEY)
		return s->state.mode == MENU_COUNTDOWN;
	if (ask->choice == MENU_RESTORE && ask->file[0])
		by = 1u << MENU_SOURCE | 1u << MENU_SNAPSHOT;
	else if (ask->choice != MENU_RESTORE && ask->choice != MENU_AGAIN &&
		 ask->choice != MENU_DISK)
		return false;
	return s->state.mode == MENU_WAITING && s->state.offers & by;
}

/* One message of a console; 1: it asks for something, -1: it is gone. */
static int hear(struct menu_server *s, size_t i, struct menu_ask *ask)
{
	char text[MENU_MESSAGE];
	struct err ignored;
	const ssize_t n = recv(s->clients[i], text, sizeof text, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!n)
		return -1;
	if (menu_ask_read(ask, (struct str){ text, (size_t)n }, &ignored))
		return 0;
	if (ask->choice == MENU_SHELL) {
		memcpy(s->shell, ask->who, sizeof s->shell);
		return 0;
	}
	if (is_offered(s, ask))
		return 1;
	/* Too late, or never there: what holds now is the answer. */
	return send_state(s, i) ? 0 : -1;
}

bool menu_server_wait(struct menu_server *s, struct menu_ask *ask, int also, int timeout_ms)
{
	const int64_t end = monotonic_ms() + timeout_ms;

	for (;;) {
		struct pollfd p[MENU_CONSOLES + 2] = { { .fd = s->fd, .events = POLLIN },
			{ .fd = also, .events = POLLIN } };
		for (size_t i = 0; i < s->n; i++)
			p[i + 2] = (struct pollfd){ .fd = s->clients[i], .events = POLLIN };
		const int64_t left = end - monotonic_ms();
		const int wait = timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0;
		if (poll(p, s->n + 2, wait) < 0 && errno != EINTR)
			return false;
		for (size_t i = s->n; i-- > 0;) {
			if (!p[i + 2].revents)
				continue;
			const int what = hear(s, i, ask);
			if (what > 0)
				return true;
			if (what < 0)
				drop(s, i);
		}
		if (p[0].revents)
			let_in(s);
		if (also >= 0 && p[1].revents)
			return false;
		/* A shell that was just taken ends a countdown. */
		if (s->shell[0] && s->state.mode == MENU_COUNTDOWN) {
			*ask = (struct menu_ask){ .choice = MENU_KEY };
			memcpy(ask->who, s->shell, sizeof ask->who);
			return true;
		}
		if (timeout_ms >= 0 && monotonic_ms() >= end)
			return false;
	}
}
