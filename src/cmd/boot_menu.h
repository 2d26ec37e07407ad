/* cmd/boot_menu.h - what the image does once it knows the machine: restore, or ask
 *
 *   a plan with auto: yes that may run unattended    countdown, restore, hand-off; for an hour
 *                                                    again while its source does not answer
 *   anything else, a key, a shell, a failure         the menu, on every console at once
 *
 * What a choice needs to be done is a command of this program, run as a child: this process,
 * init and the shells outlive whatever happens to it.
 *
 * Source:     cmd/boot.h, ui/menu.h.
 * Units:      seconds.
 * Ownership:  everything lives in the arena.
 * Errors:     none that end the menu; they become its head.
 */
#pragma once

#include "cmd/boot.h"
#include "ui/menu_server.h"

#define BOOT_SOCKET "/run/etcd-rescue/menu"
#define BOOT_FOUND  "/run/etcd-rescue/found.yaml" /* the plan that was found, for consoles */
#define BOOT_BUNDLE "/run/etcd-rescue/post-mortem.tar.zst"

/* Which restore, and who wants it. */
struct boot_choice {
	const char *plan; /* file; NULL: the plan that is found */
	bool unattended;
};

/* How a child ended, in words for people. */
struct boot_outcome {
	int status;     /* its exit status: the state of the target */
	bool unreached; /* nobody answered, which may be otherwise in a while */
	char step[64], reason[512], hint[256];
};

/* Run one of our commands and tell its events as ours; consoles are served meanwhile. */
int boot_do(struct boot_outcome *outcome, struct boot *b, struct menu_server *s,
	const char *const *argv, struct err *e);

/* The restore; a hand-off is another command. */
int boot_restore(struct boot_outcome *outcome, struct boot *b, struct menu_server *s,
	const struct boot_choice *choice, struct err *e);

/* What an exit status says of the target. */
const char *boot_state_of_target(int status);

/* Until the machine goes down, or somebody wants to look again.  Only the first time a plan is
 * carried out unasked. */
void boot_menu(struct boot *b, struct menu_server *s, bool first);
