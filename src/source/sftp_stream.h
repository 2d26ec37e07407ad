/* source/sftp_stream.h - a file over SFTP as a stream: many reads under way, resumed by itself
 *
 * Up to `SFTP_WINDOW` bytes are asked for ahead of what was handed out; that, too, is the most
 * that is fetched twice when the connection is lost.  After a loss the file must be what it
 * was, by size and time, or the stream ends with an error.
 *
 * Source:     draft-ietf-secsh-filexfer-02, as OpenSSH's sftp-server speaks it.
 * Units:      bytes.
 * Ownership:  the stream takes the link it is given, and closes it; address and settings
 *             outlive the stream.
 * Errors:     ERR_NOTFOUND, ERR_AUTH for what the server says of the path; ERR_MISMATCH when
 *             the file changes under our hands; ERR_NET when all tries are used up.
 */
#pragma once

#include "source/sftp_link.h"

enum { SFTP_WINDOW = 2 << 20, SFTP_TRIES = 8 };

int sftp_stream_open(struct stream *stream, struct sftp_link *link,
	const struct sftp_address *address, const struct source_settings *settings,
	const char *path, struct err *e);

/* Why the server, or the connection, said no; `what` is for people. */
int sftp_stream_why(const struct sftp_link *link, const char *what, struct err *e);

/* Opens a link; a failure of the network is repeated so many times in all. */
int sftp_stream_connect(struct sftp_link *link, const struct sftp_address *address,
	const struct source_settings *settings, unsigned tries, struct err *e);
