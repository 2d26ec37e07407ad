/* cmd/boot.h - what `etcd-rescue boot` knows, and its parts; for cmd/boot*.c alone
 *
 * Each step fills its own part of struct boot and tells what it does through the
 * listener; the report is printed from the whole, as text or as one JSON object.
 *
 * Source:     the headers it includes.
 * Units:      bytes; milliseconds where the name says _ms.
 * Ownership:  everything lives in the arena.
 * Errors:     a step that cannot do its work says so and the next one begins; only what
 *             makes the rest meaningless is an error.
 */
#pragma once

#include "cmd/applets.h"
#include "codec/json.h"
#include "node/clock.h"
#include "node/cmdline.h"
#include "node/dmi.h"
#include "os/block.h"
#include "os/kmsg.h"
#include "os/link.h"
#include "os/module.h"
#include "os/network.h"
#include "os/system.h"
#include "os/tty.h"

/* What a restore takes besides the files of this image. */
enum { BOOT_MEMORY_NEEDED = 64 * 1024 * 1024 };

enum boot_image_state { IMAGE_NONE, IMAGE_COMPLETE, IMAGE_INCOMPLETE, IMAGE_UNKNOWN };

struct boot_image {
	enum boot_image_state state; /* NONE: not running from the image; UNKNOWN: no list */
	size_t n_files, n_missing, n_changed;
	const char *first_missing, *first_changed;
	uint64_t bytes;
	unsigned took_ms;
};

struct boot_drivers {
	bool done;
	size_t n_aliases, n_modules, n_waves;
	unsigned took_ms;
};

struct delivery;

struct boot_network {
	const char *from; /* who said so: "kernel-line", "image", "plan", "default" */
	struct network_result result;
	const char *trouble; /* NULL: none */
	const char *actions; /* when only looking: what would be done, one a line */
};

struct boot {
	struct arena *arena;
	const struct root *root;
	const struct listener *listener;
	const struct listener *screen; /* the same without the log; NULL: no difference */
	bool dry;                      /* only look */
	bool other_root;               /* at a tree that is not this machine */
	int lock;                      /* held while drivers and network are touched; -1: not */

	struct boot_image image;
	enum { MEMORY_NOT_ASKED, MEMORY_ENOUGH, MEMORY_LOW } memory;
	struct boot_drivers drivers;
	struct system system;
	struct dmi dmi;
	struct tty *ttys;
	struct link *links;
	struct block *blocks;
	struct module_orphan *orphans;
	struct kmsg_firmware *firmware;
	size_t n_ttys, n_links, n_blocks, n_orphans, n_firmware;
	struct node_cmdline cmdline;

	struct boot_network network;
	struct clock_state clock;
	struct node_clock clock_set;
	const char *clock_trouble;

	struct delivery *delivery;
	bool plan_found;
	const char *plan_trouble, *plan_source;
	const char *const *plan_ntp;
	size_t n_plan_ntp;
};

/* Every file of the image against the list made when it was built. */
void boot_check_image(struct boot *b);

/* Is there memory for a restore?  Says so once; later only when it no longer is enough. */
void boot_check_memory(struct boot *b);

/* Load drivers until nothing new appears. */
void boot_load_drivers(struct boot *b);

/* Read what there is, without changing anything; then say what is wrong with it. */
void boot_look(struct boot *b);
void boot_warn(struct boot *b);

/* Firmware the kernel missed since it was last asked: many cards want theirs only when they
 * are switched on. */
void boot_warn_firmware(struct boot *b);

/* What the network shall be: by the kernel line, else by the image, else by these words. */
void boot_describe_network(struct boot *b, const char *const *plan_words, size_t n_words);
void boot_bring_network_up(struct boot *b);
void boot_set_clock(struct boot *b);

/* A plan may say what the network is, so those that need none are looked for first. */
void boot_search_local_plan(struct boot *b, const char *const **words, size_t *n_words);
void boot_search_plan(struct boot *b);

/* The kernel line as it may be shown: addresses without what could be a password. */
const char *boot_line_shown(struct arena *a, const char *line);

/* The report for a person, and for a program. */
int boot_print_text(struct buf *out, const struct boot *b, struct err *e);
int boot_print_next(struct buf *out, const struct boot *b, struct err *e);
void boot_json_plan(struct json *j, const struct boot *b);
int boot_print_json(struct buf *out, const struct boot *b, struct err *e);
