/* ui/menu_server.h - the boot process's end of the menu: it offers, the first answer counts
 *
 * A socket in a directory of root's.  No console is waited for: one that does not take its
 * message is let go, and comes back by itself.
 *
 * Source:     unix(7), SOCK_SEQPACKET; the messages of ui/menu.h.
 * Units:      milliseconds.
 * Ownership:  menu_server_close gives everything back and removes the name.
 * Errors:     ERR_IO when there can be no socket.
 */
#pragma once

#include "ui/menu.h"

enum { MENU_CONSOLES = 32 };

struct menu_server {
	int fd;
	const char *path;
	int clients[MENU_CONSOLES];
	size_t n;
	struct menu_state state;
	char shell[MENU_WHO]; /* the last console on which a shell was taken; "": none */
};

#define NO_MENU_SERVER ((struct menu_server){ .fd = -1 })

int menu_server_open(struct menu_server *s, const char *path, struct err *e);
void menu_server_close(struct menu_server *s);

/* What holds from now on, for all consoles that are there and those that come. */
void menu_server_tell(struct menu_server *s, const struct menu_state *state);

/* Serve until somebody asks for something that is offered (true), `also` can be read (-1: no
 * such), or the time is over (-1: never).  Shells are noted and not told. */
bool menu_server_wait(struct menu_server *s, struct menu_ask *ask, int also, int timeout_ms);
