/* target/boot_entry_script.h - GRUB's shell language: words, and what becomes of them
 *
 *   set default="${saved_entry}"     a command is words up to ';' or the end of the line
 *   menuentry 'Debian' { .. }        braces are words of their own, outside of quotes
 *   "a $b ${c}" 'a $b'  a\ b         quotes as in sh; a variable outside of quotes is split
 *
 * Source:     GRUB 2.12 manual, section "Writing full configuration files directly".
 * Units:      lines count from 1.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT with the line: a quote or ${ without an end; ERR_UNSUPPORTED: pipes
 *             and the like, more than BOOT_TOKENS_MAX words.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { BOOT_TOKENS_MAX = 100000, BOOT_VARIABLES_MAX = 512, BOOT_WORDS_MAX = 256 };

enum boot_token_kind { BOOT_WORD, BOOT_SEPARATOR, BOOT_OPEN, BOOT_CLOSE, BOOT_END };

struct boot_token {
	enum boot_token_kind kind;
	unsigned line;
	struct str raw; /* of a word, with its quotes */
};

struct boot_variables {
	struct boot_variable {
		const char *name, *value;
	} v[BOOT_VARIABLES_MAX];
	size_t n;
};

struct boot_words {
	const char *v[BOOT_WORDS_MAX];
	size_t n;
};

/* The last token is BOOT_END. */
int boot_script_split(struct boot_token **tokens, size_t *n, struct arena *a, struct str text,
	const char *origin, struct err *e);

/* One word of the script into none, one or more. */
int boot_script_expand(struct boot_words *words, struct arena *a, const struct boot_token *token,
	const struct boot_variables *variables, const char *origin, struct err *e);

/* "" when it is not set. */
const char *boot_variable(const struct boot_variables *variables, struct str name);
int boot_variable_set(struct boot_variables *variables, struct arena *a, struct str name,
	const char *value, struct err *e);
