/* kube/cert.h - leaf certificates of a control plane: reading one, issuing one
 *
 * As kubeadm makes them: X.509 v3; SHA-256, or what fits the CA's curve; a random serial of 63
 * bits; key of the kind that is asked for, else of the CA's kind (RSA 2048, or ECDSA P-256); key
 * usage digitalSignature and keyEncipherment, critical; the extended usages in the order server,
 * client; basicConstraints critical, no CA; the CA's subject key identifier as authority key
 * identifier; names of DNS before addresses.  Valid from five minutes before now or as long as its
 * CA, until a year from now, never longer than its CA.  The bytes of the CA's name are the
 * issuer's.
 *
 * A file of several CAs, as while a CA is exchanged, signs with the one that the key is of and
 * believes all.  Where that one is itself signed by another, its certificate (and further ones, as
 * far as the file has them, but none that signs itself) stands behind the leaf's.
 *
 * Source:     RFC 5280; kubernetes cmd/kubeadm/app/util/pkiutil (NewSignedCert), 1.13 to 1.34;
 *             Go's crypto/x509 for the order of the extensions.
 * Units:      seconds since 1970.
 * Ownership:  PEM texts live in the arena; kube_ca is closed by kube_ca_close, which wipes its
 *             key.
 * Errors:     ERR_FORMAT what is no certificate or key; ERR_MISMATCH a key of another
 *             certificate, a CA that is none or has run out. No text holds a key.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

enum { CERT_YEAR = 365 * 24 * 3600, CERT_SANS = 100 };

struct kube_ca;
/* `cert` and `key` are PEM; an empty key can check, not issue; `name` is for messages. */

int kube_ca_open(
	struct kube_ca **ca, struct span cert, struct span key, const char *name, struct err *e);
void kube_ca_close(struct kube_ca *ca);

struct kube_leaf {
	const char *common_name;
	const char *organization; /* NULL: none */
	const char *const
		*sans; /* addresses and names, in any order; NULL-terminated; NULL: none */
	bool server, client;
	int64_t now;
	int64_t lifetime;      /* 0: CERT_YEAR */
	bool from_ca;          /* valid since the CA is, not since five minutes ago */
	const char *algorithm; /* "RSA-3072", "ECDSA-P384": kubeadm's words; NULL: the CA's kind */
};

/* The certificate and its new key, as PEM; the key's bytes are the caller's to wipe. */
int kube_leaf_issue(const char **cert, char **key, struct arena *a, struct kube_ca *ca,
	const struct kube_leaf *leaf, struct err *e);

/* Is `cert` what `leaf` asks for: signed by the CA, the key's own, valid for a day more,
 * subject, usages and every name there?  False, with the reason in `*why`, when not. */
bool kube_leaf_is_good(const char **why, struct arena *a, struct kube_ca *ca, struct span cert,
	struct span key, const struct kube_leaf *leaf);

/* Is this a client's certificate of that organization, valid for more than a day?  Who signed it is
 * not asked. */
bool kube_leaf_serves(struct span cert, const char *organization, int64_t now);

/* The serial number that 8 random bytes make: positive, without zero bytes in front; its length. */
size_t kube_leaf_serial(uint8_t serial[8], const uint8_t random[8]);
