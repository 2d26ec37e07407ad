/* source/sftp_address.h - what an sftp address names: who, where and which path
 *
 *   sftp://[USER[:PASSWORD]@]HOST[:PORT]/PATH    from the top of the server
 *   sftp://HOST/~/PATH                           from the user's home directory
 *   sftp://HOST                                  the home directory
 *
 * User, password and path are percent-decoded.
 *
 * Source:     RFC 3986; draft-ietf-secsh-scp-sftp-ssh-uri-04 for the shape; /~/ as curl has it.
 * Units:      none.
 * Ownership:  all texts live in the arena; the password is the one secret among them, and
 *             sftp_address_wipe overwrites it.
 * Errors:     ERR_USAGE; the text never repeats user or password.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct sftp_address {
	char *user, *password; /* NULL: not said */
	const char *host;
	unsigned port;
	const char *path;  /* as the server takes it: "." is the home directory */
	const char *shown; /* scheme, host, port and path, percent-encoded, nothing else */
};

int sftp_address_parse(
	struct sftp_address *address, struct arena *a, const char *text, struct err *e);
void sftp_address_wipe(struct sftp_address *address);

/* `name` in an address: what must be encoded is. */
const char *sftp_address_encode(struct arena *a, const char *name);
