/* node/network_words.h - one word of dracut's network grammar at a time
 *
 * Names of cards, MACs and addresses are checked here so strictly that os/network.h can
 * put them into commands and paths as they are.
 *
 * Source:     dracut.cmdline(7), dracut 103.
 * Units:      as in os/network.h.
 * Ownership:  all texts are copied into the arena.
 * Errors:     ERR_USAGE for what is wrong, ERR_UNSUPPORTED for what is not done; the text
 *             begins with the word, and the description is then as before.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "os/network.h"

/* `*known` says whether the word is of the network; `value.p` is NULL without '='. */
int network_word(struct network *n, bool *known, struct arena *a, struct str key, struct str value,
	struct err *e);

/* After the last word: what depends on several of them. */
void network_words_end(struct network *n);

/* The value of ip=. */
int network_ip_word(
	struct network_ip *ip, struct network *n, struct arena *a, struct str value, struct err *e);

/* A time server: an address or a host name. */
int network_ntp(struct network *n, struct arena *a, struct str server, struct err *e);

/* The parts a value is made of.  Each gives the checked and normalised text. */
int network_card(const char **name, struct arena *a, struct str text, struct err *e);
int network_mac(const char **mac, struct arena *a, struct str text, struct err *e);
int network_address(const char **address, struct arena *a, struct str text, struct err *e);
int network_number(
	unsigned *v, struct str text, const char *what, unsigned low, unsigned high, struct err *e);
int network_host(const char **host, struct arena *a, struct str text, struct err *e);
/* "24", "255.255.255.0"; `v6` allows up to 128. */
int network_prefix(unsigned *prefix, struct str text, bool v6, struct err *e);
bool network_is_v6(const char *address);
/* The next part up to ':' off `rest`, colons in brackets not counted; brackets that
 * enclose the part are dropped. */
bool network_part(struct str *part, struct str *rest);
