/* plan/reach.h - how a search for the plan touches the world: http, and media mounted
 *
 * A medium is mounted without a mount point: the descriptor of its root directory is all
 * there is of it, and closing that lets the medium go.  Read-only, its journal
 * not replayed, without devices, set-id programs or execution.
 *
 * Source:     os/mount.h, net/http.h.
 * Units:      none.
 * Ownership:  reach_free gives the trust anchors back.
 * Errors:     ERR_NET and the rest of net/http.h; ERR_IO for a medium.
 */
#pragma once

#include "base/buf.h"
#include "os/root.h"
#include "os/superblock.h"

struct reach {
	const struct root *root;
	const char *proxy; /* NULL: as the environment says */
	struct buf anchors;
	bool has_anchors;
};

void reach_start(struct reach *reach, const struct root *root, const char *proxy);
void reach_free(struct reach *reach);

/* The callbacks of struct delivery_from; `reach` is a struct reach. */
int reach_fetch(void *reach, struct buf *out, const char *url, struct err *e);
int reach_volume(void *reach, struct root *volume, const char *device, enum superblock_kind kind,
	struct err *e);
