/* plan/delivery.h - where a plan can come from, and which one is taken
 *
 *   way           where                                                  signature
 *   kernel-line   rescue.plan=URL (http, https, file), with templates    URL.sig
 *   image         /etc/etcd-rescue/plan.yaml, put there by customise     plan.yaml.sig
 *   volume        plan.yaml on a volume labelled RESCUE, CIDATA or       plan.yaml.sig
 *                 config-2: optical, or a USB disk under 4 GiB
 *   fw-cfg        QEMU's opt/etcd-rescue/plan                            ..plan.sig
 *   smbios        type 11 string etcd-rescue.plan=URL or base64          ..plan.sig=base64
 *   dhcp          option 224, an address                                 URL.sig
 *   kernel-words  rescue.source= alone: no file at all
 *
 * The first that has a plan wins, the others are reported.  A way that has a plan which
 * cannot be read ends the search: taking an older plan from somewhere else in its place
 * would be a surprise on the worst day.
 *
 * With a public key in the image (/etc/etcd-rescue/keys) only signed plans are taken; an
 * unsigned one is refused aloud and the search goes on, and rescue.source=,
 * rescue.snapshot= and rescue.handoff= are not heard.  Without one, a plan that came by
 * DHCP or plain http is taken but never runs unattended.
 *
 * Source:     QEMU docs/specs/fw_cfg; SMBIOS 3.7 section 7.12; cloud-init's NoCloud and
 *             ConfigDrive for the labels.
 * Units:      bytes.
 * Ownership:  everything lives in the arena; borrows `root`, `line` and `blocks`.
 * Errors:     ERR_NOTFOUND when nobody gave a plan at all; else what the plan's way or the
 *             plan itself says.  `d` then still tells how far the search came.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "node/cmdline.h"
#include "os/block.h"
#include "os/root.h"
#include "plan/schema.h"
#include "plan/template.h"

enum delivery_way {
	DELIVERY_FILE, /* named by a person; not part of the search */
	DELIVERY_KERNEL_LINE,
	DELIVERY_IMAGE,
	DELIVERY_VOLUME,
	DELIVERY_FW_CFG,
	DELIVERY_SMBIOS,
	DELIVERY_DHCP,
	DELIVERY_KERNEL_WORDS,
	DELIVERY_WAYS,
};

enum delivery_state {
	DELIVERY_ABSENT,
	DELIVERY_TAKEN,
	DELIVERY_REFUSED, /* not signed as it must be; `why` says so */
	DELIVERY_LEFT,    /* there too, but another one came first */
	DELIVERY_BROKEN,  /* there, and ended the search; `why` is the error */
};

struct delivery_place {
	const char *where; /* "/etc/etcd-rescue/plan.yaml", "sr0 (RESCUE)"; NULL when absent */
	const char *why;
	enum delivery_state state;
};

struct delivery {
	struct plan plan;
	enum delivery_way way; /* of the plan that was taken */
	const char *name;      /* what messages call it */
	const char *signed_by; /* file of the public key; NULL: not signed */
	bool may_run_unattended;
	const char *why_attended; /* NULL when it may */
	const char *unheard;      /* kernel words that were not heard, for want of a signature */
	struct delivery_place places[DELIVERY_WAYS];
};

struct delivery_from {
	struct arena *arena;
	const struct root *root;         /* etc, proc, sys, run are below it */
	const struct node_cmdline *line; /* NULL: no kernel line */
	const struct block *blocks;      /* probed; their labels count */
	size_t n_blocks;
	struct template_facts facts;
	/* A whole small file by http or https. */
	int (*fetch)(void *ctx, struct buf *out, const char *url, struct err *e);
	/* The root directory of a device's file system, read-only; root_close lets go of it. */
	int (*open_volume)(void *ctx, struct root *volume, const char *device,
		enum superblock_kind kind, struct err *e);
	void *ctx;
};

int delivery_find(struct delivery *d, const struct delivery_from *from, struct err *e);

/* The same rules for a file somebody names: with a key in the image it must be signed. */
int delivery_file(
	struct delivery *d, const struct delivery_from *from, const char *path, struct err *e);

/* Stable words: "kernel-line", "taken". */
const char *delivery_way_word(enum delivery_way way);
const char *delivery_state_word(enum delivery_state state);
