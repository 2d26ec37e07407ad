/* plan/bundle.h - a fresh master's etc/kubernetes, out of the archive that the plan's `pki:` names
 *
 *   plan_bundle_read    the whole archive, into memory: nothing counts before its end
 *   plan_bundle_write   what is not there yet; nothing that is there is touched
 *
 * Taken are regular files below etc/kubernetes, etc/cray/kubernetes, etc/cray/encryption and
 * etc/cfc/conf, and the kubelet's configuration; keys and kubeconfigs with mode 0600, whatever
 * the archive says.  What else it holds is told and left out.
 *
 * Source:     kube/collect.h.
 * Units:      bytes.
 * Ownership:  files live in the arena, whose limit leaves UNWRAP_ARENA for them.
 * Errors:     those of source/source.h, source/unwrap.h and target/file.h; ERR_NOTFOUND when the
 *             archive holds no etc/kubernetes/pki.
 */
#pragma once

#include "kube/layout.h"
#include "plan/settings.h"
#include "source/unwrap.h"

struct plan_bundle_file {
	const char *path;
	struct span bytes;
	unsigned mode;
	bool is_there; /* already on the disk, and left alone */
	struct plan_bundle_file *next;
};

struct plan_bundle {
	struct plan_bundle_file *first;
	size_t n, n_there;
};

/* `url` is opened with `settings`. */
int plan_bundle_read(struct plan_bundle *bundle, struct arena *a, const struct settings *settings,
	const char *url, const struct root *root, struct err *e);

int plan_bundle_write(const struct plan_bundle *bundle, const struct root *root, struct err *e);
