/* plan/report_send.h - a process that sends what is written into its pipe; for plan/report.c
 *
 * It has none of our descriptors and takes no signal of the terminal.  Of the HTTP reports that
 * wait while the server is slow only the newest is sent; of the syslog lines, all.
 *
 * Source:     fork(2), pipe(7); RFC 5424, 6587.
 * Units:      milliseconds.
 * Ownership:  sender_end closes the pipe and waits for the process, or ends it.
 * Errors:     none: what cannot be sent is lost, and sender_end says so.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"
#include "net/trust.h"

enum { SENDER_LINE = 4000 };

enum sender_kind { SENDER_HTTP, SENDER_SYSLOG };

struct sender {
	pid_t pid; /* 0: none */
	int fd;
	size_t lost;
};

struct sender_to {
	enum sender_kind kind;
	const char *address; /* URL; host:port, udp://host:port, tcp://host:port */
	const struct trust *trust;
	const char *proxy;
};

/* One that cannot be started takes nothing. */
void sender_start(struct sender *s, const struct sender_to *to);

/* One line, without its end. */
void sender_put(struct sender *s, struct str line);

/* True: all was sent, within `deadline_ms` (of monotonic_ms). */
bool sender_end(struct sender *s, int64_t deadline_ms);

/* The parts, for tests: host and port out of an address; the frame of a syslog line. */
bool sender_address(char *host, size_t room, unsigned *port, bool *tcp, const char *address);
