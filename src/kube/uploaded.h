/* kube/uploaded.h - the CAs that `kubeadm init --upload-certs` leaves in the cluster
 *
 * The Secret kube-system/kubeadm-certs has an entry for each file, "etcd-ca.key" for
 * pki/etcd/ca.key, which kubeadm deletes after two hours; a snapshot of that time still holds it.
 *
 *   entry   12 bytes nonce, AES-256-GCM of the file, 16 bytes tag
 *   key     32 bytes, which kubeadm printed as 64 hex digits: the certificate key
 *
 * Source:     kubernetes cmd/kubeadm/app/phases/copycerts/copycerts.go and util/crypto, 1.15 to
 *             1.34.
 * Units:      bytes.
 * Ownership:  files live in the arena; kube_uploaded_forget wipes them.
 * Errors:     ERR_USAGE for what is no certificate key; ERR_AUTH: it is not this Secret's, or the
 *             Secret is damaged; ERR_NOTFOUND: the Secret holds none of the files; ERR_FORMAT.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "base/str.h"

enum { KUBE_CERTIFICATE_KEY = 32, KUBE_UPLOADED_MAX = 8 };

struct kube_uploaded_file {
	const char *path; /* "etc/kubernetes/pki/etcd/ca.key" */
	struct span bytes;
	unsigned mode;
};

struct kube_uploaded {
	struct kube_uploaded_file v[KUBE_UPLOADED_MAX];
	size_t n;
};

/* `text` is the key as kubeadm prints it; white space around it does not count. */
int kube_certificate_key(uint8_t key[KUBE_CERTIFICATE_KEY], struct str text, struct err *e);

/* `secret` is the object as etcd stores it. */
int kube_uploaded(struct kube_uploaded *uploaded, struct arena *a, struct span secret,
	const uint8_t key[KUBE_CERTIFICATE_KEY], struct err *e);
void kube_uploaded_forget(struct kube_uploaded *uploaded);
