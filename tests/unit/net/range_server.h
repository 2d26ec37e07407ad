/* A server of ranges on loopback for the tests, which can go wrong in every way it is told.
 *
 *   /o            the object                     /plain      no ranges
 *   /bare         no ETag, no Last-Modified      /chunked    no ranges, no length, chunks
 *   /empty        of no bytes (416 to a range)   /weak       an ETag that is weak
 *
 * Threads, one a connection. What goes wrong is drawn for every answer when `faults` is set.
 */
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotonic.h"

enum fault {
	FAULT_NONE,
	FAULT_RESET,      /* the connection ends somewhere in the body */
	FAULT_BUSY,       /* 503 */
	FAULT_LATER,      /* 503 and Retry-After */
	FAULT_RANGE,      /* Content-Range of somewhere else */
	FAULT_TOTAL,      /* another length of the whole */
	FAULT_SHORT,      /* less than asked for, all of it announced */
	FAULT_LONG,       /* more than asked for */
	FAULT_ETAG,       /* another version: other bytes too */
	FAULT_WHOLE,      /* 200 and all of the object */
	FAULT_OTHER,      /* 200 and another object of the same length */
	FAULT_GARBAGE,    /* no HTTP at all */
	FAULT_STALL,      /* silence somewhere in the body */
	FAULT_TRICKLE,    /* a byte now and then */
	FAULT_LOOP,       /* redirect to itself */
	FAULT_NO_ANSWER,  /* the connection ends at once */
	FAULT_WRONG_SIZE, /* Content-Length of less than is sent */
	FAULT_KINDS,
};

static struct range_server {
	unsigned port;
	int fd;
	uint8_t *object;
	size_t size;
	/* set by the tests */
	atomic_uint faults;    /* of a thousand answers so many go wrong */
	atomic_uint only;      /* the one kind; 0: any */
	atomic_uint seed;      /* changes with every draw */
	atomic_int cut_at;     /* one answer breaks after so many bytes of its body; -1: none */
	atomic_uint change_at; /* from this request on it is another object; 0: never */
	atomic_uint refuse_at; /* this request is told that its token expired; 0: none */
	atomic_uint rate_ms;   /* between two pieces of 16 KiB */
	atomic_llong still_ms; /* until this time there is none */
	/* counted */
	atomic_uint requests, faulty, connections, open;
	atomic_ullong sent;
} server;

static unsigned range_draw(unsigned below)
{
	unsigned x = atomic_fetch_add(&server.seed, 0x9e3779b9u);

	x = (x ^ x >> 16) * 0x85ebca6bu;
	x = (x ^ x >> 13) * 0xc2b2ae35u;
	return (x ^ x >> 16) % below;
}

static bool range_send(int fd, const void *bytes, size_t len)
{
	const ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

	return n == (ssize_t)len;
}

static void range_abort(int fd)
{
	const struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* The body, until `stop` bytes of it were sent. */
static bool range_body(int fd, const uint8_t *p, size_t len, size_t stop, bool chunked)
{
	char mark[32];

	for (size_t at = 0; at < len; at += 16384) {
		size_t n = len - at < 16384 ? len - at : 16384;
		if (n > stop - at)
			n = stop - at;
		if (chunked && !range_send(fd, mark, (size_t)sprintf(mark, "%zx\r\n", n)))
			return false;
		while (monotonic_ms() < server.still_ms)
			usleep(1000);
		/* Counted first: who has all of it may look at once. */
		atomic_fetch_add(&server.sent, n);
		if (n && !range_send(fd, p + at, n))
			return false;
		if (chunked && !range_send(fd, "\r\n", 2))
			return false;
		if (at + n >= stop && stop < len)
			return false;
		if (server.rate_ms)
			usleep(server.rate_ms * 1000);
	}
	return !chunked || range_send(fd, "0\r\n\r\n", 5);
}

/* Whether the client goes away within this time: no silence is shorter than its patience. */
static bool range_hangs_up(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, ms) > 0;
}

static enum fault range_fault(void)
{
	if (range_draw(1000) >= server.faults)
		return FAULT_NONE;
	atomic_fetch_add(&server.faulty, 1);
	return server.only ? (enum fault)server.only : 1 + range_draw(FAULT_KINDS - 1);
}

/* Whether the connection lives on. */
static bool range_answer(int fd, const char *asked)
{
	const unsigned n = atomic_fetch_add(&server.requests, 1) + 1;
	const char *range = strstr(asked, "Range: bytes=");
	const bool plain = strstr(asked, " /plain") || strstr(asked, " /chunked");
	const bool chunked = strstr(asked, " /chunked"), bare = strstr(asked, "/bare");
	const bool empty = strstr(asked, " /empty"),
		   changed = server.change_at && n >= server.change_at;
	enum fault fault = range_fault();
	size_t from = 0, until = server.size, total = server.size, stop = SIZE_MAX;
	char head[1024], etag[64];
	const uint8_t *p = server.object;
	bool part = false;

	if (server.refuse_at == n || strstr(asked, "Authorization: Bearer stale")) {
		static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 45\r\n\r\n"
					   "<Error><Code>ExpiredToken</Code></Error>12345";
		return range_send(fd, text, sizeof text - 1);
	}
	if (empty) {
		const char *text = range ? "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n"
					 : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
		return range_send(fd, text, strlen(text));
	}
	snprintf(etag, sizeof etag, "%s\"v%d\"", strstr(asked, " /weak") ? "W/" : "",
		changed ? 2 : 1);
	const char *match = strstr(asked, "If-Match: ");
	if (match && strncmp(match + 10, etag, strlen(etag)) != 0)
		return range_send(fd, "HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n", 38);
	if (range && !plain && fault != FAULT_WHOLE && fault != FAULT_OTHER) {
		char *end;
		from = strtoull(range + 13, &end, 10);
		until = strtoull(end + 1, NULL, 10) + 1;
		if (until > total)
			until = total;
		part = true;
	}
	switch (fault) {
	case FAULT_BUSY:
		return range_send(fd, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 38);
	case FAULT_LATER:
		return range_send(
			fd, "HTTP/1.1 503 No\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 54);
	case FAULT_GARBAGE:
		return range_send(fd, "\x16\x03\x01 no such thing\r\n\r\n", 20) && false;
	case FAULT_LOOP: {
		const char *path = strchr(asked, ' ') + 1;
		const int len = snprintf(head, sizeof head,
			"HTTP/1.1 302 Found\r\nLocation: %.*s\r\nContent-Length: 0\r\n\r\n",
			(int)strcspn(path, " "), path);
		return range_send(fd, head, (size_t)len);
	}
	case FAULT_NO_ANSWER:
		return false;
	case FAULT_RANGE:
		from = from == server.size / 2 ? 0 : server.size / 2;
		until = from + 1000;
		break;
	case FAULT_TOTAL:
		total--;
		break;
	case FAULT_SHORT:
		until -= (until - from) / 2;
		break;
	case FAULT_LONG:
		until = server.size;
		break;
	case FAULT_ETAG:
		snprintf(etag, sizeof etag, "\"other\"");
		p = server.object + server.size; /* other bytes */
		break;
	case FAULT_OTHER:
		p = server.object + server.size;
		snprintf(etag, sizeof etag, "\"other\"");
		break;
	case FAULT_RESET:
	case FAULT_STALL:
	case FAULT_TRICKLE:
		stop = range_draw((unsigned)(until - from));
		break;
	default:
		break;
	}
	if (changed)
		p = server.object + server.size;
	int len = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n", part ? "206 Part" : "200 OK");
	if (!bare)
		len += snprintf(head + len, sizeof head - (size_t)len,
			"ETag: %s\r\nLast-Modified: Thu, 19 Nov 2026 00:00:0%d GMT\r\n", etag,
			changed ? 2 : 1);
	if (part)
		len += snprintf(head + len, sizeof head - (size_t)len,
			"Content-Range: bytes %zu-%zu/%zu\r\n", from, until - 1, total);
	if (chunked)
		len += snprintf(head + len, sizeof head - (size_t)len,
			"Transfer-Encoding: chunked\r\n\r\n");
	else
		len += snprintf(head + len, sizeof head - (size_t)len,
			"Content-Length: %zu\r\n\r\n",
			(until - from) / (fault == FAULT_WRONG_SIZE ? 2 : 1));
	if (!range_send(fd, head, (size_t)len))
		return false;
	const int cut = server.cut_at;
	if (cut >= 0 && (size_t)cut < until - from && atomic_exchange(&server.cut_at, -1) >= 0)
		stop = (size_t)cut;
	const bool whole = range_body(fd, p + from, until - from, stop, chunked);
	/* The last byte never comes. */
	while (fault == FAULT_TRICKLE && stop + 1 < until - from && !range_hangs_up(fd, 100)) {
		if (!range_send(fd, p + from + stop++, 1))
			break;
	}
	if (fault == FAULT_STALL || fault == FAULT_TRICKLE)
		range_hangs_up(fd, 60000);
	if (!whole)
		range_abort(fd);
	return whole;
}

static void *range_serve(void *ctx)
{
	const int fd = (int)(intptr_t)ctx;
	char asked[8192] = "";
	size_t have = 0;

	for (;;) {
		const ssize_t n = read(fd, asked + have, sizeof asked - 1 - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		asked[have] = 0;
		if (!strstr(asked, "\r\n\r\n"))
			continue;
		if (!range_answer(fd, asked))
			break;
		have = 0;
	}
	close(fd);
	atomic_fetch_sub(&server.open, 1);
	return NULL;
}

static void *range_accept(void *ctx)
{
	(void)ctx;
	for (;;) {
		pthread_t thread;
		const int fd = accept(server.fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		atomic_fetch_add(&server.connections, 1);
		atomic_fetch_add(&server.open, 1);
		if (pthread_create(&thread, NULL, range_serve, (void *)(intptr_t)fd))
			abort();
		pthread_detach(thread);
	}
}

/* What a client that gave up has left behind is answered, and counted, in its own test: who
 * connects last is accepted last, and ends when he does. */
static void range_settle(void)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)server.port),
		.sin_addr.s_addr = htonl(0x7f000001) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char none;

	if (connect(fd, (const struct sockaddr *)&here, sizeof here) || shutdown(fd, SHUT_WR) ||
		read(fd, &none, 1))
		abort();
	close(fd);
	while (server.open)
		usleep(1000);
}

static void range_reset(void)
{
	range_settle();
	server.faults = server.only = server.change_at = server.refuse_at = server.rate_ms = 0;
	server.cut_at = -1;
	server.still_ms = 0;
	server.requests = server.faulty = server.connections = 0;
	server.sent = 0;
}

/* Twice the size: behind the object lies the other one. */
static int range_start(size_t size)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof here;
	pthread_t thread;
	uint32_t x = 1;

	server.size = size;
	server.object = malloc(2 * size);
	for (size_t i = 0; i < 2 * size; i++) {
		x = x * 1664525 + 1013904223;
		server.object[i] = (uint8_t)(x >> 24);
	}
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (const struct sockaddr *)&here, len) || listen(server.fd, 64) ||
		getsockname(server.fd, (struct sockaddr *)&here, &len))
		return -1;
	server.port = ntohs(here.sin_port);
	if (pthread_create(&thread, NULL, range_accept, NULL) || pthread_detach(thread))
		return -1;
	range_reset();
	return 0;
}
