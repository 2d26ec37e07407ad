#include "ui/password.h"

#include <crypt.h>
#include <stddef.h>
#include <string.h>

enum password_lock password_lock(const char *hash)
{
	if (!hash)
		return PASSWORD_NONE;
	return hash[0] == '$' ? PASSWORD_ASKED : PASSWORD_CLOSED;
}

bool password_matches(const char *hash, const char *typed)
{
	struct crypt_data data = { 0 };

	if (password_lock(hash) != PASSWORD_ASKED)
		return false;
	const char *made = crypt_r(typed, hash, &data);
	if (!made || made[0] != '$')
		return false;
	/* Same time for every wrong one; a hash is no longer than 256 bytes. */
	const size_t n = strlen(hash), m = strlen(made);
	unsigned char differ = n != m;
	for (size_t i = 0; i < n && i < m; i++)
		differ |= (unsigned char)(hash[i] ^ made[i]);
	explicit_bzero(&data, sizeof data);
	return !differ;
}
