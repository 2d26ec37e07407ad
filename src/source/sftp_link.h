/* source/sftp_link.h - one SSH connection with SFTP on it: the right server, and logged in
 *
 *   sftp_link_open   connects, holds the server's key against host-key or known_hosts, logs in
 *   sftp_link_close
 *
 * Nothing that the machine's ssh_config says counts, no agent is asked and nobody is prompted.
 * A server that is not known is refused before anything is sent that could help a stranger.
 *
 * Source:     libssh 0.11; RFC 4251 to 4254, 8332 for rsa-sha2.
 * Units:      bytes.
 * Ownership:  a link is closed by who opened it; address and settings outlive it.
 * Errors:     ERR_NET not reached or lost: worth another try; ERR_AUTH another key than
 *             promised, or not let in; ERR_NOTFOUND, ERR_FORMAT for files of ours.
 */
#pragma once

#include <libssh/libssh.h>
#include <libssh/sftp.h>

#include "source/sftp_address.h"
#include "source/source.h"

/* Of one wait: longer silence is a lost connection. */
enum { SFTP_LINK_STALL_S = 20 };

struct sftp_link {
	ssh_session ssh;
	sftp_session sftp; /* NULL: not open */
	bool started;      /* the library is */
	size_t max_read;   /* the most that one request may ask for */
};

int sftp_link_open(struct sftp_link *link, const struct sftp_address *address,
	const struct source_settings *settings, struct err *e);
void sftp_link_close(struct sftp_link *link);

/* Is a pinned fingerprint one?  Said before anything is connected. */
int sftp_link_check_pin(const char *host_key, struct err *e);
