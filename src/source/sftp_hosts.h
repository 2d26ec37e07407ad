/* source/sftp_hosts.h - what known_hosts says about the key that a server shows
 *
 *   [@revoked|@cert-authority] NAMES TYPE BASE64 [COMMENT]
 *
 *   NAMES   "host", "[host]:port", patterns with * and ?, "!" before one that must not
 *           match, all separated by commas; or "|1|SALT|HASH", the HMAC-SHA1 of one name
 *
 * A line with the bare name counts for every port, as it does for ssh, but only to believe a
 * key: that the server on another port shows another key is not a change.  Keys of
 * certificate authorities are passed over.
 *
 * Source:     sshd(8) and hostfile.c of OpenSSH 10.0.
 * Units:      none.
 * Ownership:  the answer keeps nothing of the texts.
 * Errors:     none; a line that makes no sense is passed over.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "base/str.h"

enum sftp_key_type { SFTP_KEY_ED25519 = 1, SFTP_KEY_ECDSA = 2, SFTP_KEY_RSA = 4 };

struct sftp_host {
	const char *name; /* as in the address */
	unsigned port;
	const char *type, *key; /* "ssh-ed25519" and its base64; NULL: not seen yet */
};

struct sftp_hosts_answer {
	bool known, revoked;
	unsigned types;        /* enum sftp_key_type of the keys that are listed for it */
	unsigned changed_line; /* where another key of the same type stands; 0: nowhere */
};

/* Adds what one file says to the answer. */
void sftp_hosts_ask(
	struct sftp_hosts_answer *answer, struct str text, const struct sftp_host *host);
