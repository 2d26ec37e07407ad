/* kube/cert_part.h - what reading and issuing certificates share; for kube/cert*.c alone
 *
 * Source:     as kube/cert.h.
 * Units:      seconds since 1970.
 * Ownership:  as kube/cert.h.
 * Errors:     none.
 */
#pragma once

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "kube/cert.h"

struct kube_ca {
	mbedtls_x509_crt cert;    /* all of the file, in a list */
	mbedtls_x509_crt *signer; /* the one of them that the key is of */
	mbedtls_pk_context key;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	const char *name;
};

int64_t kube_cert_seconds(const mbedtls_x509_time *t);

/* An address in its bytes; 0: a name. */
size_t kube_cert_address(uint8_t bytes[16], const char *san);

/* The CA of the file whose name the certificate's issuer is; NULL: none is. */
const mbedtls_x509_crt *kube_cert_issuer(const struct kube_ca *ca, const mbedtls_x509_crt *cert);
