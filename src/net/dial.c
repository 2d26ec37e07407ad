#include "net/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotonic.h"

enum { KEEP_IDLE_S = 10, KEEP_EVERY_S = 5, KEEP_TRIES = 3 };

static int wait_writable(int fd, int timeout_ms)
{
	const int64_t end = monotonic_ms() + timeout_ms;
	int n;

	do {
		const int64_t left = end - monotonic_ms();
		n = poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1,
			left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (!n)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

static int connect_within(int fd, const struct addrinfo *to, int timeout_ms)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!connect(fd, to->ai_addr, to->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS || wait_writable(fd, timeout_ms) ||
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -1;
	errno = error;
	return error ? -1 : 0;
}

/* A firewall that forgets the connection, or a host without power, says nothing at all. */
static void notice_silence(int fd)
{
	const int on = 1, idle = KEEP_IDLE_S, every = KEEP_EVERY_S, tries = KEEP_TRIES;
	const unsigned dead_ms = NET_DIAL_DEAD_S * 1000u;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static const char *advice(int error)
{
	if (error == ECONNREFUSED)
		return "; nothing listens there, or a firewall refuses";
	if (error == ETIMEDOUT)
		return "; nothing answers: is the address right, and no firewall in between?";
	return "";
}

int net_dial(int *fd, const char *host, unsigned port, int each_ms, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char service[12];
	int error = 0;

	snprintf(service, sizeof service, "%u", port);
	const int looked_up = getaddrinfo(host, service, &hints, &list);
	if (looked_up)
		return err_set(e, ERR_NET, "%s: %s; is the name right, and a name server reached?",
			host, gai_strerror(looked_up));
	for (const struct addrinfo *to = list; to; to = to->ai_next) {
		const int s = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
			to->ai_protocol);
		if (s >= 0 && !connect_within(s, to, each_ms) && !fcntl(s, F_SETFL, 0)) {
			notice_silence(s);
			freeaddrinfo(list);
			*fd = s;
			return 0;
		}
		error = errno;
		if (s >= 0)
			close(s);
	}
	freeaddrinfo(list);
	err_set(e, ERR_NET, "%s port %u: %s%s", host, port, strerror(error), advice(error));
	e->errnum = error;
	return e->code;
}
