/* cmd/console.h - the parts of `etcd-rescue console`; for cmd/console*.c alone
 *
 * Source:     ui/menu.h, ui/prompt.h.
 * Units:      none.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_DECLINED: the person gave it up; ERR_NOTFOUND: the terminal is gone.
 */
#pragma once

#include "cmd/applets.h"
#include "ui/menu.h"
#include "ui/prompt.h"

struct console_screen {
	struct app *app;
	struct prompt prompt;
	int server;              /* connected, or -1 */
	struct menu_state state; /* what the boot process said last */
	char who[MENU_WHO];
	const char *socket, *found, *entered; /* names in the directory of the boot process */
	const char *hash;                     /* what locks shells and writing; NULL: nothing */
};

/* Ask for what a plan needs; `*plan` is its file, "" when the person gave up. */
int console_enter_source(const char **plan, struct console_screen *c, struct err *e);

/* List what lies at the plan's source and let one be chosen; likewise. */
int console_choose_snapshot(const char **plan, struct console_screen *c, struct err *e);

/* Before a restore by `plan`, "": the one that was found: ask for the passphrases of encrypted
 * disks that no key opens, and keep them for it.  ERR_DECLINED: the person gave it up. */
int console_unlock(struct console_screen *c, const char *plan, struct err *e);

/* Run a command of ours and show what it prints, page by page. */
int console_show(struct console_screen *c, const char *const *argv, struct err *e);
