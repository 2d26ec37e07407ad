/* cmd/passphrase.h - the passphrases of encrypted disks
 *
 *   passphrase_ask    an `ask` of target/assemble.h: what was typed at the menu, which is in
 *                     DIR/WHO-luks-UUID (cmd/entered.h), else a terminal, where what is typed
 *                     is not shown
 *   passphrase_keep   after a person was asked: the passphrases that fit, for the programs
 *                     that come next
 *
 * They are in memory alone: files of /run, root's, wiped before the machine leaves the image.
 *
 * Source:     target/assemble.h, ui/prompt.h.
 * Units:      bytes.
 * Ownership:  the context borrows; texts live in the arena, passphrases are the caller's to wipe.
 * Errors:     ERR_NOTFOUND: nobody is there, nothing was typed; those of cmd/entered.h.
 */
#pragma once

#include "base/arena.h"
#include "target/assemble.h"

struct plan;
struct prompt;

struct passphrase {
	struct arena *arena;
	const char *dir;       /* of what was typed at a menu; NULL: there is none */
	bool terminal;         /* stdin and stderr are a person's, when they are a terminal */
	struct prompt *prompt; /* a dialogue that has begun; NULL: none */
	const char *read;      /* the file that was tried last */
};

int passphrase_ask(
	void *passphrase, struct buf *secret, const struct target_question *q, struct err *e);

/* For a command that follows this plan, or none: NULL. */
void passphrase_storage(
	struct target_assemble_options *storage, struct arena *a, const struct plan *plan);

/* `who` is the console's. */
int passphrase_keep(struct arena *a, const char *dir, const char *who,
	const struct target_assembly *as, struct err *e);
