/* plan/settings.h - from the keys of a plan to how a source is opened
 *
 * The keys say where keys, certificates and passwords are; here they are read, and nowhere
 * are they printed.  Below a root with /etc/etcd-rescue/manifest we are the rescue image.
 *
 * Source:     plan/schema.h.
 * Units:      none.
 * Ownership:  settings borrow from the plan, the root and from themselves; they do not move.
 *             settings_free overwrites what was secret.
 * Errors:     ERR_NOTFOUND, ERR_FORMAT for files that are named and make no sense; ERR_USAGE
 *             for a password in the address.
 */
#pragma once

#include "base/buf.h"
#include "plan/schema.h"
#include "source/source.h"

struct settings {
	struct source_settings source;
	struct trust trust;
	struct buf anchors, cert, key, secret;
};

#define CLEAN_SETTINGS __attribute__((cleanup(settings_free)))

int settings_make(struct settings *settings, struct arena *a, const struct plan *plan,
	struct root *root, const struct listener *listener, struct err *e);
void settings_free(struct settings *settings);
