#include "plan/report_send.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "net/dial.h"
#include "net/http.h"

enum { TOTAL_MS = 4000, CONNECT_MS = 2000, PAUSE_MS = 500, QUEUE = 64 * 1024, HOST = 256 };

bool sender_address(char *host, size_t room, unsigned *port, bool *tcp, const char *address)
{
	struct str s = str_from(address);
	uint64_t number = 514;

	*tcp = str_starts(s, STR("tcp://"));
	if (*tcp || str_starts(s, STR("udp://"))) {
		s.p += 6;
		s.len -= 6;
	}
	size_t colon = s.len;
	while (colon && s.p[colon - 1] != ':' && s.p[colon - 1] != ']')
		colon--;
	struct str name = s;
	if (colon && s.p[colon - 1] == ':') {
		name.len = colon - 1;
		if (!str_u64(&number, (struct str){ s.p + colon, s.len - colon }, 10, 65535) ||
			!number)
			return false;
	}
	if (name.len > 2 && name.p[0] == '[' && name.p[name.len - 1] == ']') {
		name.p++;
		name.len -= 2;
	}
	if (!name.len || name.len >= room)
		return false;
	memcpy(host, name.p, name.len);
	host[name.len] = '\0';
	*port = (unsigned)number;
	return true;
}

/* What was read and not sent yet. */
struct queue {
	int fd;
	bool over;
	size_t len;
	char text[QUEUE];
};

static void rest(int ms)
{
	const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static void fill(struct queue *q, int wait_ms)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };

	while (!q->over && q->len < sizeof q->text && poll(&p, 1, wait_ms) > 0) {
		const ssize_t n = read(q->fd, q->text + q->len, sizeof q->text - q->len);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			q->over = true;
		else if (n > 0)
			q->len += (size_t)n;
		wait_ms = 0;
	}
}

static void drop(struct queue *q, size_t n)
{
	memmove(q->text, q->text + n, q->len - n);
	q->len -= n;
}

/* The newest whole line; what stood before it goes. */
static struct str newest(struct queue *q, size_t *taken)
{
	size_t end = q->len, start;

	while (end && q->text[end - 1] != '\n')
		end--;
	*taken = end;
	if (!end)
		return (struct str){ NULL, 0 };
	for (start = end - 1; start && q->text[start - 1] != '\n'; start--)
		;
	return (struct str){ q->text + start, end - 1 - start };
}

/* A place that takes no PUT takes POST, and the other way round. */
static bool send_http(const struct sender_to *to, const char **method, struct str body)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };

	for (int i = 0; i < 2; i++) {
		struct http_response response = { 0 };
		struct err e = { 0 };
		const struct http_request request = {
			.url = to->address,
			.method = *method,
			.body = { (const uint8_t *)body.p, body.len },
			.trust = to->trust,
			.proxy = to->proxy,
			.headers = headers,
			.connect_ms = CONNECT_MS,
			.total_ms = TOTAL_MS,
		};
		if (!http_get(&response, &request, &e))
			return true;
		if (response.status != 405 && response.status != 501 && response.status != 404 &&
			response.status != 403 && response.status != 400)
			return false;
		*method = strcmp(*method, "PUT") ? "PUT" : "POST";
	}
	return false;
}

static int speak_http(const struct sender_to *to, struct queue *q)
{
	const char *method = "PUT";
	bool good = true;

	while (!q->over || q->len) {
		size_t taken;
		fill(q, q->over ? 0 : -1);
		const struct str line = newest(q, &taken);
		if (!taken) {
			if (q->over)
				break;
			continue;
		}
		good = send_http(to, &method, line);
		/* The last word is worth trying until we are ended; others give way. */
		fill(q, 0);
		if (good || !q->over || taken != q->len)
			drop(q, taken);
		else
			rest(PAUSE_MS);
	}
	return !good;
}

static int open_udp(const char *host, unsigned port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct addrinfo *list = NULL;
	char service[16];
	int fd = -1;

	snprintf(service, sizeof service, "%u", port);
	if (getaddrinfo(host, service, &hints, &list))
		return -1;
	for (const struct addrinfo *i = list; i && fd < 0; i = i->ai_next) {
		fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
		if (fd >= 0 && connect(fd, i->ai_addr, i->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

static bool send_syslog(int fd, bool tcp, struct str line)
{
	char frame[SENDER_LINE + 16];
	const int n = tcp ? snprintf(frame, sizeof frame, "%zu %.*s", line.len, STR_ARG(line))
			  : snprintf(frame, sizeof frame, "%.*s", STR_ARG(line));
	const size_t len = (size_t)n < sizeof frame ? (size_t)n : sizeof frame - 1;

	for (size_t at = 0; at < len;) {
		const ssize_t done = send(fd, frame + at, len - at, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		/* Nobody at that port of UDP tells of the line before; this one is for him. */
		if (done < 0 && errno == ECONNREFUSED && !tcp)
			return true;
		if (done <= 0)
			return false;
		at += (size_t)done;
	}
	return true;
}

static int speak_syslog(const struct sender_to *to, struct queue *q)
{
	char host[HOST];
	unsigned port;
	bool tcp;
	int fd = -1;
	struct err e;

	if (!sender_address(host, sizeof host, &port, &tcp, to->address))
		return 1;
	while (!q->over || q->len) {
		const char *end = memchr(q->text, '\n', q->len);
		if (!end) {
			if (q->over)
				break;
			fill(q, -1);
			continue;
		}
		if (fd < 0)
			fd = tcp ? -1 : open_udp(host, port);
		if (fd < 0 && tcp && net_dial(&fd, host, port, CONNECT_MS, &e))
			fd = -1;
		const size_t len = (size_t)(end - q->text);
		if (fd >= 0 && send_syslog(fd, tcp, (struct str){ q->text, len })) {
			drop(q, len + 1);
			continue;
		}
		if (fd >= 0)
			close(fd);
		fd = -1;
		rest(PAUSE_MS);
		fill(q, 0);
	}
	if (fd >= 0) {
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return 0;
}

static _Noreturn void speak(const struct sender_to *to, int in)
{
	static struct queue q;
	const int null = open("/dev/null", O_RDWR);

	/* Whoever waits for the end of our output, or unmounts a disk, does not wait for this. */
	setsid();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (chdir("/"))
		_exit(1);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	q.fd = dup2(in, 3);
	/* musl has no name for it. */
	syscall(SYS_close_range, 4, ~0U, 0);
	_exit(to->kind == SENDER_HTTP ? speak_http(to, &q) : speak_syslog(to, &q));
}

void sender_start(struct sender *s, const struct sender_to *to)
{
	int ends[2];

	*s = (struct sender){ .fd = -1 };
	if (pipe2(ends, O_CLOEXEC))
		return;
	const pid_t pid = fork();
	if (!pid)
		speak(to, ends[0]);
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return;
	}
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	s->pid = pid;
	s->fd = ends[1];
}

void sender_put(struct sender *s, struct str line)
{
	char text[SENDER_LINE + 1];

	if (s->fd < 0)
		return;
	/* At most PIPE_BUF, so that it goes whole or not at all; a cut JSON would be none. */
	if (line.len > SENDER_LINE) {
		s->lost++;
		return;
	}
	memcpy(text, line.p, line.len);
	text[line.len] = '\n';
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	sigaction(SIGPIPE, &ignore, &before);
	if (write(s->fd, text, line.len + 1) != (ssize_t)line.len + 1)
		s->lost++;
	sigaction(SIGPIPE, &before, NULL);
}

bool sender_end(struct sender *s, int64_t deadline_ms)
{
	int how = 0;

	if (!s->pid)
		return s->lost == 0;
	close(s->fd);
	s->fd = -1;
	for (;;) {
		const pid_t got = waitpid(s->pid, &how, WNOHANG);
		if (got == s->pid)
			break;
		if ((got < 0 && errno != EINTR) || monotonic_ms() >= deadline_ms) {
			kill(s->pid, SIGKILL);
			waitpid(s->pid, &how, 0);
			break;
		}
		rest(10);
	}
	s->pid = 0;
	return WIFEXITED(how) && !WEXITSTATUS(how) && !s->lost;
}
