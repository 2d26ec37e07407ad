/* target/assemble_parts.h - what the files of target/assemble share
 *
 *   assemble.c           rounds, layers, what is said of what stays closed
 *   assemble_writable.c  what is needed once more, writable
 *   assemble_md.c        arrays          mdadm
 *   assemble_luks.c      containers      cryptsetup
 *   assemble_keys.c      their keys
 *   assemble_lvm.c       volume groups   lvm
 *   assemble_left.c      what a kill left open
 *
 * Source:     target/assemble.h.
 * Units:      milliseconds, bytes.
 * Ownership:  as in target/assemble.h.
 * Errors:     a tool that fails is ERR_IO with its own words.
 */
#pragma once

#include "os/names.h"
#include "target/assemble.h"

enum {
	ASSEMBLE_TOOL_MS = 60000,
	ASSEMBLE_UNLOCK_MS = 300000, /* Argon2 is made to take long */
	ASSEMBLE_OUTPUT_MAX = 1 << 20,
	ASSEMBLE_KEY_MAX = 64 * 1024,
};

struct target_refusal {
	const char *name, *why;
	struct target_refusal *next;
};

/* A disk or partition with some content. */
struct assemble_piece {
	const struct block *disk;
	const char *name;
	const struct superblock *content;
};

struct assemble_pieces {
	struct assemble_piece *v;
	size_t n;
};

/* The blocks as they are now, and what is on them. */
int assemble_list(struct target_assembly *as, struct err *e);

/* All of these kinds, but no second path to a disk. */
void assemble_find(struct assemble_pieces *pieces, const struct target_assembly *as,
	enum superblock_kind kind, enum superblock_kind or_kind, bool held_too);

/* Is somebody, an array or a mapping, on top of it? */
bool assemble_is_held(const struct target_assembly *as, const struct assemble_piece *piece);

/* The block of that name or mapping ("/dev/sda2", "/dev/mapper/x"), "sda2" or "dm-0"; NULL. */
const char *assemble_device_name(const struct target_assembly *as, const char *path);

/* Its mapping's name, which is the same after it was closed; else the name itself. */
const char *assemble_alias(const struct target_assembly *as, const char *name);

/* Why a device stays closed; NULL: it does not. */
void assemble_refuse(struct target_assembly *as, const char *name, const char *why);

/* True the second time: what failed is not tried again before something is different. */
bool assemble_tried(struct target_assembly *as, const char *what);

struct target_layer *assemble_add(struct target_assembly *as, const struct target_layer *layer);

/* Before a layer is opened; after it was closed, or did not open. */
void assemble_note(struct target_assembly *as, struct target_layer *layer);
void assemble_unnote(struct target_assembly *as, const struct target_layer *layer);
/* What a program that is gone had opened; how many layers were closed. */
size_t assemble_close_left(struct target_assembly *as);
int assemble_close(struct target_assembly *as, const struct target_layer *layer, struct err *e);

/* Run one of the image's tools; `output` may be NULL. */
int assemble_tool(struct target_assembly *as, const char *const *argv, struct span input,
	int timeout_ms, struct buf *output, struct err *e);

/* Open what is there; how many were.  Whether a person is `ask`ed is for the caller to say. */
size_t assemble_md(struct target_assembly *as);
size_t assemble_luks(struct target_assembly *as, bool ask);
size_t assemble_lvm(struct target_assembly *as);

/* Close a layer, open it again; `needed` are the mappings to be writable. */
int assemble_md_close(struct target_assembly *as, const struct target_layer *l, struct err *e);
int assemble_md_writable(struct target_assembly *as, struct target_layer *l, struct err *e);
int assemble_luks_close(struct target_assembly *as, const struct target_layer *l, struct err *e);
int assemble_luks_open(struct target_assembly *as, struct target_layer *l, struct err *e);
int assemble_lvm_close(struct target_assembly *as, const struct target_layer *l, struct err *e);
int assemble_lvm_open(struct target_assembly *as, struct target_layer *l,
	const struct names *needed, struct err *e);

/* "etcdvg0-ETCDK8S": the name of a volume's mapping */
const char *assemble_lvm_alias(struct arena *a, const char *group, const char *volume);

struct assemble_key {
	struct buf bytes;
	const char *origin; /* "sda2: pki/etcd.key" */
	const char *name;   /* that the mapping has when its system runs; NULL: not known */
	struct assemble_key *next;
};

/* The keys that may open a container; assemble_keys_wipe forgets them. */
void assemble_keys(struct assemble_key **keys, struct target_assembly *as,
	const struct target_volumes *volumes, const struct assemble_piece *piece);
void assemble_keys_wipe(struct assemble_key *keys);
void assemble_wipe(struct buf *secret);
