/* target/boot_entry_grub.h - one run of a grub.cfg; for target/boot_entry_grub*.c alone
 *
 *   boot_entry_grub.c            where the file is, the menu, which entry of it
 *   boot_entry_grub_run.c        if, function, menuentry: what is a command and what is not
 *   boot_entry_grub_command.c    set, source, load_env, linux, initrd ..
 *   boot_entry_grub_condition.c  [ a = b -a -f c ]
 *
 * Source:     as target/boot_entry.h.
 * Units:      lines count from 1.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_UNSUPPORTED, ERR_FORMAT with file and line.
 */
#pragma once

#include "target/boot_entry_parts.h"
#include "target/boot_entry_script.h"

enum {
	BOOT_GRUB_DEPTH = 12,
	BOOT_GRUB_STEPS = 200000,
	BOOT_GRUB_FUNCTIONS = 64,
};

struct boot_script {
	const char *origin;
	struct boot_token *tokens;
	size_t n;
};

struct boot_item {
	const char *title, *id;
	size_t parent; /* of the entries inside a submenu: its number + 1; 0: the top */
	bool submenu;
	const struct boot_script *script; /* where its body is; NULL: bls */
	size_t body;
	unsigned line;
	const struct boot_bls *bls;
};

struct boot_function {
	const char *name;
	const struct boot_script *script;
	size_t body;
};

struct boot_grub {
	struct arena *arena;
	const struct boot_roots *roots;
	struct boot_variables variables;
	struct boot_item *items;
	size_t n_items, parent;
	struct boot_function functions[BOOT_GRUB_FUNCTIONS];
	size_t n_functions;
	unsigned depth, steps;
	bool status;              /* of the last command */
	struct boot_entry *entry; /* the body of the chosen one runs: it is filled */
	bool has_kernel;
};

struct boot_at {
	const struct boot_script *script;
	size_t i;
};

/* Up to one of the words `stops`, or to the end where there are none; stands behind it then. */
int boot_grub_statements(struct boot_grub *g, struct boot_at *at, bool live,
	const char *const *stops, struct err *e);

/* The whole of a file. */
int boot_grub_script(struct boot_grub *g, const char *path, struct err *e);

/* One command, which is its words; `at` says where for the error. */
int boot_grub_command(struct boot_grub *g, const struct boot_at *at, unsigned line,
	const struct boot_words *w, struct err *e);

/* g->status becomes what "[ .. ]" or "test .." says. */
int boot_grub_test(struct boot_grub *g, const struct boot_at *at, unsigned line,
	const struct boot_words *w, struct err *e);

bool boot_grub_sees(struct boot_grub *g, const char *path);
int boot_grub_unknown(struct err *e, const struct boot_at *at, unsigned line, const char *what);
/* Is it one of the words of this table? */
bool boot_grub_is_one(const char *word, const char *const *list, size_t n);
#define BOOT_IS_ONE(word, list) boot_grub_is_one(word, list, sizeof list / sizeof *list)
