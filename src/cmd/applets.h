/* cmd/applets.h - the applet table
 *
 * One row is one thing a person can ask for.  A name may be two words ("snapshot status").
 * The program is called as `etcd-rescue NAME ...`, or through a link of that name.
 *
 * Source:     design of the command line: one table for help, completion and man page.
 * Units:      none.
 * Ownership:  `options` points to zeroed memory of `options_size` bytes, which begins with
 *             struct option_common; `operands` is what argv held beside options.
 * Errors:     `run` returns 0, or a negative ERR_* with `*e` filled; main prints it once and
 *             turns it into the exit status.  An applet with a status of its own (see
 *             design: 3, 4, 5; etcdutl's 128) sets `app->status`.
 */
#pragma once

#include "base/arena.h"
#include "base/event.h"
#include "cmd/options.h"
#include "os/root.h"

struct app {
	struct arena *arena;
	const struct listener *listener;
	struct root root; /* the machine itself */
	const char *const *operands;
	size_t n_operands;
	const void *options;
	int status; /* exit status when `run` fails; 0: the one of the error's code */
};

struct applet {
	const char *name;
	const char *purpose;  /* one line for the list */
	const char *operands; /* "FILE", "[URL]", NULL: none */
	const char *about;    /* a paragraph for --help; NULL: none */
	const struct option_row *options;
	size_t options_size;
	size_t min_operands, max_operands;
	int usage_status; /* exit status for an option nobody knows; 0: the 2 of all others */
	int (*run)(struct app *app, struct err *e);
};

extern const struct applet *const applets[]; /* NULL ends it */

extern const struct applet applet_boot;
extern const struct applet applet_console;
extern const struct applet applet_report;
extern const struct applet applet_plan;
extern const struct applet applet_run;
extern const struct applet applet_handoff;
extern const struct applet applet_finish;
extern const struct applet applet_join;
extern const struct applet applet_gate;
extern const struct applet applet_survivors;
extern const struct applet applet_list;
extern const struct applet applet_fetch;
extern const struct applet applet_rollback;
extern const struct applet applet_commit;
extern const struct applet applet_forget;
extern const struct applet applet_target;
extern const struct applet applet_rewrite;
extern const struct applet applet_certs;
extern const struct applet applet_collect;
extern const struct applet applet_network;
extern const struct applet applet_clock;
extern const struct applet applet_snapshot_status;
extern const struct applet applet_snapshot_restore;
extern const struct applet applet_snapshot_inspect;
extern const struct applet applet_snapshot_hashkv;
extern const struct applet applet_keys_get;
extern const struct applet applet_keys;
extern const struct applet applet_verify;
extern const struct applet applet_dump_wal;
extern const struct applet applet_dump_snap;
extern const struct applet applet_dump_bolt;
extern const struct applet applet_completion;

/* Print the result of an applet: all of `out` to stdout. */
int app_print(const struct buf *out, struct err *e);
