/* ui/password.h - does this password open what a hash locks?
 *
 * The file is the one that `customise --shell-password` puts into the image: a hash of
 * crypt(5), or a word that is none ("off", an empty file) and that no password opens.
 *
 * Source:     crypt(3): $1$, $2a$, $5$, $6$ in musl.
 * Units:      none.
 * Ownership:  borrows.
 * Errors:     none: what cannot be computed does not match.
 */
#pragma once

#include <stdbool.h>

enum password_lock { PASSWORD_NONE, PASSWORD_ASKED, PASSWORD_CLOSED };

bool password_matches(const char *hash, const char *typed);

/* What a text of that file means; NULL: there is no file. */
enum password_lock password_lock(const char *hash);
