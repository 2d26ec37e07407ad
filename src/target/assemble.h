/* target/assemble.h - what lies between disks and file systems: arrays, containers, volume groups
 *
 *   target_assemble           md, LUKS and LVM in whatever order they are stacked, opened
 *                             read-only, round by round until nothing new appears
 *   target_assemble_writable  what these volumes stand upon, and no more, is made writable
 *   target_disassemble        everything that was opened here is closed again, last first
 *
 * Instead of block_list and block_probe: `blocks` holds all of it at the end, with its content.
 * The work is done by the image's own mdadm, cryptsetup and lvm; without them, and without a
 * device mapper, nothing is opened and `why` says so.  What a program of ours that was killed
 * left open is closed first.  What else was open before is left alone, and
 * so are multipath, Intel and DDF firmware RAID, bcache: they are named.
 *
 * Not opened unless asked for: an array with a missing or stale disk (`degraded`), and a volume
 * group the same way.  A key is taken from where the operator says, or found: the key file that
 * an etc/crypttab names, that systemd would look for, or that HPE Cray's masters keep below
 * pki/ of the file system labelled ROOTRAID.  Before a key is tried the memory it takes is told
 * and compared with what is free.  Once nothing else is left to be opened, and no file was said
 * to have the key, a person is asked, three times a container; what opened one is tried on the
 * next ones first.
 *
 * Source:     mdadm(8), cryptsetup(8), crypttab(5), lvm(8), lvm.conf(5); LUKS2 On-Disk Format
 *             Specification 1.1.
 * Units:      milliseconds.
 * Ownership:  texts and blocks live in the arena; keys are kept for target_assemble_writable
 *             and wiped by target_disassemble, which must be called in any case.
 * Errors:     those of block_list.  What could not be opened is no error: target_assemble_explain.
 */
#pragma once

#include "base/buf.h"
#include "base/event.h"
#include "os/block.h"
#include "target/probe.h"

enum target_layer_kind { TARGET_MD, TARGET_LUKS, TARGET_LVM };

/* What a person is asked for. */
struct target_question {
	const char *name, *label, *uuid; /* of the container: "sda3"; label "": none */
	uint64_t memory;                 /* that unlocking it takes; 0: next to none */
	unsigned again;                  /* what was given before did not open it */
};

struct target_assemble_options {
	const char *luks_key; /* "auto", "ask", "file:/path" of the running system; NULL: auto */
	bool degraded;
	int probe_ms; /* as for block_probe, each round */
	/* Asks a person for a passphrase; ERR_NOTFOUND: none is given.  May be NULL. */
	int (*ask)(void *ctx, struct buf *secret, const struct target_question *question,
		struct err *e);
	void *ctx;
	const struct listener *listener;
};

struct target_layer {
	enum target_layer_kind kind;
	const char *name;  /* "md127", "luks-5f0c..", "etcdvg0" */
	const char **from; /* the devices it is made of: "sda2", "dm-0" */
	size_t n_from;
	const char *uuid;
	/* of a group: volumes opened here, its host's id, and `from` by names that last */
	const char **volumes, *system_id, **from_alias;
	size_t n_volumes;
	bool writable, degraded;
	struct buf key;   /* of a container */
	bool typed;       /* the key, by a person */
	const char *note; /* of what was opened, for who comes after a kill */
};

struct target_assembly {
	struct arena *arena;
	const struct root *machine;
	struct target_assemble_options options;
	struct block *blocks;
	size_t n_blocks;
	struct target_layer *v; /* in the order in which they were opened */
	size_t n, room;
	struct target_refusal *refusals, *tried;
};

#define NO_ASSEMBLY ((struct target_assembly){ 0 })

int target_assemble(struct target_assembly *as, struct arena *a, const struct root *machine,
	const struct target_assemble_options *options, struct err *e);

/* Put into `why` of volumes what became of them here; `locked` is off for what was opened. */
void target_assemble_explain(struct target_volumes *volumes, const struct target_assembly *as);

/* `names` are those of volumes, "dm-1"; nothing of them may be mounted.  A name that changed is
 * put right, and `blocks` are listed again.  Disks and partitions are passed over. */
int target_assemble_writable(
	struct target_assembly *as, const char **names, size_t n, struct err *e);

/* Nothing may be mounted any more.  What does not close is told to the listener. */
void target_disassemble(struct target_assembly *as);
