/* source/sftp_login.h - how a user gets in: keys, passwords, questions
 *
 *   an identity is named   that key; `secret` opens it if it is locked
 *   a secret is there      the password, also as the answer to one hidden question
 *   else                   id_ed25519, id_ecdsa, id_rsa of ~/.ssh that are not locked
 *
 * A secret that opened a key is never sent; a server that wants two things in a row gets them.
 *
 * Source:     RFC 4252 and 4256; the key file as PROTOCOL.key of OpenSSH 10.0.
 * Units:      none.
 * Ownership:  settings are borrowed.
 * Errors:     ERR_AUTH not let in, or a key that does not open; ERR_NOTFOUND, ERR_FORMAT of
 *             the key's file; ERR_NET when the connection went meanwhile.
 */
#pragma once

#include <libssh/libssh.h>

#include "source/sftp_address.h"
#include "source/source.h"

int sftp_login(ssh_session ssh, const struct sftp_address *address,
	const struct source_settings *settings, struct err *e);

/* Does this private key need a passphrase?  False for what is no key at all. */
bool sftp_login_is_locked(struct str key);
