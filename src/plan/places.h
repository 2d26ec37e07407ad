/* plan/places.h - the ways of plan/delivery.h, each looked at; for plan/delivery.c alone
 *
 * Source:     as plan/delivery.h.
 * Units:      none.
 * Ownership:  a candidate's bytes live in the arena.
 * Errors:     a way without a plan is no error: `there` stays false.
 */
#pragma once

#include "plan/delivery.h"

struct candidate {
	bool there;
	const char *where; /* for people */
	const char *name;  /* in front of LINE:COLUMN */
	struct str text, signature;
	bool has_signature;
	bool plain_http;
};

struct search {
	const struct delivery_from *from;
	bool wants_signature; /* there is a key in the image */
	bool peek;            /* only whether something is there, not what */
};

typedef int place_look(struct candidate *c, const struct search *s, struct err *e);

place_look place_kernel_line, place_image, place_volume, place_fw_cfg, place_smbios, place_dhcp;

/* A file below the root, and its signature beside it. */
int place_file(struct candidate *c, const struct search *s, const char *path, struct err *e);
