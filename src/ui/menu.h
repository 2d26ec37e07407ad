/* ui/menu.h - the menu of the image: what is offered, how it looks, what is said about it
 *
 * One process (`etcd-rescue boot`) offers, one a console (`etcd-rescue console`) asks.  They
 * talk in messages of text, so that a person with a socket tool sees what goes on:
 *
 *   to a console    state waiting offers=rpbs seconds=0 who=ttyS0
 *                   the plan is cd:plan.yaml ...              (the head, up to its end)
 *   to the boot     ask restore ttyS0 /run/etcd-rescue/entered/plan.yaml
 *
 * Pure ASCII, at most 80 columns and 22 lines: it has to do on a serial line of 1978.
 *
 * Source:     none.
 * Units:      seconds.
 * Ownership:  values; nothing is borrowed.
 * Errors:     ERR_FORMAT for a message that makes no sense.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

enum menu_mode {
	MENU_BUSY,      /* at work: nothing to choose but a shell */
	MENU_COUNTDOWN, /* any key stops it */
	MENU_WAITING,   /* for a person */
};

enum menu_choice {
	MENU_NOTHING,
	MENU_RESTORE,
	MENU_PLAN,
	MENU_SOURCE,
	MENU_SNAPSHOT,
	MENU_AGAIN,
	MENU_DISK,
	MENU_SHELL,
	MENU_CHOICES,
	MENU_KEY = MENU_CHOICES, /* somebody is there */
	MENU_ASKS,
};

enum { MENU_HEAD = 1200, MENU_WHO = 32, MENU_FILE = 128, MENU_MESSAGE = 1500 };

struct menu_state {
	enum menu_mode mode;
	unsigned offers;      /* 1u << choice */
	unsigned seconds;     /* of the countdown */
	char who[MENU_WHO];   /* the console that chose what is being done; "": none */
	char head[MENU_HEAD]; /* lines that stand above the choices */
};

struct menu_ask {
	enum menu_choice choice;
	char who[MENU_WHO];
	char file[MENU_FILE]; /* the plan to restore by; "": the one that was found */
};

/* The screen: head, choices, prompt. */
int menu_print(struct buf *out, const struct menu_state *state, struct err *e);

/* What a line that was typed chooses; just Enter is a shell where there is one.  MENU_NOTHING:
 * no such choice, or it is not offered. */
enum menu_choice menu_pick(const struct menu_state *state, struct str line);

/* "restore", and what the menu calls it. */
const char *menu_word(enum menu_choice choice);

/* Into `text` of MENU_MESSAGE bytes; returns the length. */
size_t menu_state_write(char *text, const struct menu_state *state);
size_t menu_ask_write(char *text, const struct menu_ask *ask);
int menu_state_read(struct menu_state *state, struct str text, struct err *e);
int menu_ask_read(struct menu_ask *ask, struct str text, struct err *e);
