/* kube/kubeadm.h - kubeadm's configuration file: documents by kind, extra arguments in both forms
 *
 *   etcd:                            etcd:
 *     local:                           local:
 *       extraArgs:                       extraArgs:
 *         name: ncn-m001                   - name: name
 *                                            value: ncn-m001
 *   up to v1beta3                    v1beta4, where a name may come again; the last counts
 *
 * Source:     kubernetes cmd/kubeadm/app/apis/kubeadm, v1beta1 (1.13) to v1beta4 (1.31).
 * Units:      none.
 * Ownership:  borrows the file.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why": an apiVersion that is not known, a wrong shape.
 */
#pragma once

#include "kube/slot.h"

struct kube_kubeadm {
	struct kube_file *file;
	const struct doc_node *init, *cluster, *join; /* NULL: no such document */
};

int kube_kubeadm(struct kube_kubeadm *config, struct kube_file *file, struct err *e);

/* Argument `name` of the extraArgs at `pointer` ("/etcd/local/extraArgs") of a document. */
bool kube_kubeadm_arg(struct kube_slot *slot, const struct kube_kubeadm *config,
	const struct doc_node *document, const char *pointer, const char *name);

/* A text of a document: "/etcd/local/dataDir". */
bool kube_kubeadm_text(struct kube_slot *slot, const struct kube_kubeadm *config,
	const struct doc_node *document, const char *pointer);
