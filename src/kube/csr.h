/* kube/csr.h - a kubelet's request for a certificate: PKCS#10 in PEM, read strictly
 *
 * What is decided by one reader is signed by another one, so only what leaves no room for two
 * meanings is read: one PEM block with nothing around it; a subject of one common name and one
 * organization, as UTF-8 or printable text; no extension but subjectAltName, and in that no kinds
 * but DNS names and addresses; a signature by the key that the request is for.
 *
 * Source:     RFC 2986, RFC 5280 section 4.2.1.6; kubelet's certificate manager.
 * Units:      none.
 * Ownership:  texts live in the arena.
 * Errors:     ERR_FORMAT what is no such request, with what is wrong.
 */
#pragma once

#include "codec/sha256.h"
#include "kube/layout.h"

enum { KUBE_CSR_MAX = 1 << 16, KUBE_CSR_NAMES = 100 };

struct kube_csr {
	const char *common_name, *organization;
	struct kube_texts names, addresses; /* of its subjectAltName */
	uint8_t key[CODEC_SHA256_SIZE];     /* digest of its public key */
};

int kube_csr_read(struct kube_csr *csr, struct arena *a, struct str pem, struct err *e);
