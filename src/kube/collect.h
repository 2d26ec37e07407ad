/* kube/collect.h - what a fresh master needs of a healthy one, in one archive
 *
 *   tar.zst, mode 0600, paths below the root:
 *     etc/kubernetes/...               PKI, manifests, kubeconfigs; not tmp/ and old copies
 *     the --encryption-provider-config of the API server, wherever it lies
 *     var/lib/kubelet/{config.yaml,kubeadm-flags.env}, etc/default/kubelet, etc/sysconfig/kubelet
 *
 * Regular files only; links are skipped and told.  It holds every secret of the cluster.
 *
 * Source:     kubeadm's list of files; HPE's etc/cray/kubernetes; POSIX.1-2001 pax, RFC 8878.
 * Units:      bytes.
 * Ownership:  names live in the arena.
 * Errors:     ERR_NOTFOUND no etc/kubernetes/pki; ERR_SPACE a file over 4 MiB, or 64 MiB in all,
 *             which is more than a reader of such an archive takes.
 */
#pragma once

#include "base/event.h"
#include "kube/layout.h"

struct kube_collected {
	struct kube_texts files;   /* in the archive */
	struct kube_texts missing; /* what a fresh master will want and was not there */
	uint64_t bytes;
};

/* Into `fd`, an empty file. */
int kube_collect(struct kube_collected *collected, int fd, struct kube_files *files,
	const struct listener *listener, struct err *e);
