#include "kube/cert.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "kube/cert_part.h"

enum { DAY = 24 * 3600 };

/* PEM readers of mbedTLS want the zero byte counted. */
static unsigned char *terminated(struct span pem, size_t *len)
{
	unsigned char *copy = calloc(1, pem.len + 1);

	if (!copy)
		out_of_memory(pem.len + 1);
	if (pem.len)
		memcpy(copy, pem.p, pem.len);
	*len = pem.len + 1;
	return copy;
}

static int parse_cert(mbedtls_x509_crt *cert, struct span pem)
{
	size_t len;
	unsigned char *text = terminated(pem, &len);
	const int status = mbedtls_x509_crt_parse(cert, text, len);

	free(text);
	return status;
}

static int parse_key(mbedtls_pk_context *key, struct span pem, struct kube_ca *ca)
{
	size_t len;
	unsigned char *text = terminated(pem, &len);
	const int status =
		mbedtls_pk_parse_key(key, text, len, NULL, 0, mbedtls_ctr_drbg_random, &ca->random);

	mbedtls_platform_zeroize(text, len);
	free(text);
	return status;
}

static bool belongs(const mbedtls_x509_crt *cert, const mbedtls_pk_context *key, struct kube_ca *ca)
{
	return !mbedtls_pk_check_pair(&cert->pk, key, mbedtls_ctr_drbg_random, &ca->random);
}

/* The certificate of the file that is a CA's, and the key's when there is one. */
static mbedtls_x509_crt *find_signer(struct kube_ca *ca)
{
	const bool has_key = mbedtls_pk_get_type(&ca->key) != MBEDTLS_PK_NONE;

	for (mbedtls_x509_crt *c = &ca->cert; c; c = c->next) {
		if (c->MBEDTLS_PRIVATE(ca_istrue) && (!has_key || belongs(c, &ca->key, ca)))
			return c;
	}
	return NULL;
}

static bool holds_a_ca(const mbedtls_x509_crt *cert)
{
	while (cert && !cert->MBEDTLS_PRIVATE(ca_istrue))
		cert = cert->next;
	return cert;
}

static bool is_locked(struct span key)
{
	const struct str text = { (const char *)key.p, key.len };
	size_t at;

	return str_find(&at, text, STR("ENCRYPTED"));
}

int kube_ca_open(
	struct kube_ca **out, struct span cert, struct span key, const char *name, struct err *e)
{
	struct kube_ca *ca = calloc(1, sizeof *ca);

	if (!ca)
		out_of_memory(sizeof *ca);
	ca->name = name;
	mbedtls_x509_crt_init(&ca->cert);
	mbedtls_pk_init(&ca->key);
	mbedtls_entropy_init(&ca->entropy);
	mbedtls_ctr_drbg_init(&ca->random);
	if (mbedtls_ctr_drbg_seed(&ca->random, mbedtls_entropy_func, &ca->entropy, NULL, 0))
		err_set(e, ERR_IO, "no random numbers for keys");
	else if (parse_cert(&ca->cert, cert))
		err_set(e, ERR_FORMAT, "%s: is no certificate", name);
	else if (!holds_a_ca(&ca->cert))
		err_set(e, ERR_MISMATCH, "%s: is the certificate of no CA", name);
	else if (key.len && is_locked(key))
		err_set(e, ERR_UNSUPPORTED,
			"%s: its key is locked with a passphrase; put the key here without one "
			"(openssl pkey)",
			name);
	else if (key.len && parse_key(&ca->key, key, ca))
		err_set(e, ERR_FORMAT, "%s: its key cannot be read", name);
	else if (!(ca->signer = find_signer(ca)))
		err_set(e, ERR_MISMATCH, "%s: the key is another certificate's", name);
	else {
		*out = ca;
		return 0;
	}
	kube_ca_close(ca);
	*out = NULL;
	return e->code;
}

void kube_ca_close(struct kube_ca *ca)
{
	if (!ca)
		return;
	mbedtls_x509_crt_free(&ca->cert);
	mbedtls_pk_free(&ca->key); /* wipes it */
	mbedtls_ctr_drbg_free(&ca->random);
	mbedtls_entropy_free(&ca->entropy);
	free(ca);
}

int64_t kube_cert_seconds(const mbedtls_x509_time *t)
{
	struct tm tm = { .tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec };

	return timegm(&tm);
}

/* An address in its bytes; 0: a name. */
size_t kube_cert_address(uint8_t bytes[16], const char *san)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, san, bytes) == 1)
		return 4;
	if (inet_pton(AF_INET6, san, bytes) != 1)
		return 0;
	if (memcmp(bytes, mapped, sizeof mapped))
		return 16;
	memmove(bytes, bytes + 12, 4); /* ::ffff:10.0.0.1, which Go holds to be 10.0.0.1 */
	return 4;
}

/* The CA of the file whose name the certificate's issuer is; of several of one name, as when a CA
 * is exchanged for one of the same name, the one that lasts longest.  NULL: none is. */
const mbedtls_x509_crt *kube_cert_issuer(const struct kube_ca *ca, const mbedtls_x509_crt *cert)
{
	const mbedtls_x509_crt *found = NULL;

	for (const mbedtls_x509_crt *c = &ca->cert; c; c = c->next) {
		if (c->subject_raw.len == cert->issuer_raw.len &&
			!memcmp(c->subject_raw.p, cert->issuer_raw.p, c->subject_raw.len) &&
			(!found || kube_cert_seconds(&c->valid_to) >
					   kube_cert_seconds(&found->valid_to)))
			found = c;
	}
	return found;
}

static bool has_san(const mbedtls_x509_crt *cert, const char *san)
{
	uint8_t bytes[16];
	const size_t len = kube_cert_address(bytes, san);

	for (const mbedtls_x509_sequence *s = &cert->subject_alt_names; s; s = s->next) {
		const int tag = s->buf.tag & 0x1f;
		if (tag == (len ? MBEDTLS_X509_SAN_IP_ADDRESS : MBEDTLS_X509_SAN_DNS_NAME) &&
			s->buf.len == (len ? len : strlen(san)) &&
			!memcmp(s->buf.p, len ? (const void *)bytes : (const void *)san,
				s->buf.len))
			return true;
	}
	return false;
}

static struct str subject_part(const mbedtls_x509_crt *cert, const char *oid, size_t len)
{
	for (const mbedtls_x509_name *n = &cert->subject; n; n = n->next) {
		if (n->oid.len == len && !memcmp(n->oid.p, oid, len))
			return (struct str){ (const char *)n->val.p, n->val.len };
	}
	return (struct str){ "", 0 };
}

static const char *fault(struct arena *a, struct kube_ca *ca, const mbedtls_x509_crt *cert,
	const mbedtls_pk_context *key, const struct kube_leaf *leaf)
{
	uint32_t flags;

	if (!belongs(cert, key, ca))
		return "the key is another certificate's";
	/* Dates are looked at below, with our own clock. */
	mbedtls_x509_crt_verify(
		(mbedtls_x509_crt *)(uintptr_t)cert, &ca->cert, NULL, NULL, &flags, NULL, NULL);
	if (flags & ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))
		return "it was signed by another CA";
	const mbedtls_x509_crt *issuer = kube_cert_issuer(ca, cert);
	if (kube_cert_seconds(&(issuer ? issuer : ca->signer)->valid_to) <= leaf->now)
		return "its CA has run out";
	if (kube_cert_seconds(&cert->valid_to) < leaf->now + DAY)
		return "it has run out, or will within a day";
	if (kube_cert_seconds(&cert->valid_from) > leaf->now)
		return "it is not valid yet";
	if (!str_is(subject_part(cert, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN)),
		    leaf->common_name))
		return arena_print(a, "its common name is not %s", leaf->common_name);
	if (leaf->organization && !str_is(subject_part(cert, MBEDTLS_OID_AT_ORGANIZATION,
						  MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORGANIZATION)),
					  leaf->organization))
		return arena_print(a, "its organization is not %s", leaf->organization);
	if (leaf->server && mbedtls_x509_crt_check_extended_key_usage(cert, MBEDTLS_OID_SERVER_AUTH,
				    MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)))
		return "it is for no server";
	if (leaf->client && mbedtls_x509_crt_check_extended_key_usage(cert, MBEDTLS_OID_CLIENT_AUTH,
				    MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)))
		return "it is for no client";
	for (const char *const *san = leaf->sans; san && *san; san++) {
		if (!has_san(cert, *san))
			return arena_print(a, "it does not name %s", *san);
	}
	return NULL;
}

bool kube_leaf_is_good(const char **why, struct arena *a, struct kube_ca *ca, struct span cert_pem,
	struct span key_pem, const struct kube_leaf *leaf)
{
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;

	mbedtls_x509_crt_init(&cert);
	mbedtls_pk_init(&key);
	*why = parse_cert(&cert, cert_pem)    ? "it is no certificate"
	       : parse_key(&key, key_pem, ca) ? "its key cannot be read"
					      : fault(a, ca, &cert, &key, leaf);
	mbedtls_pk_free(&key);
	mbedtls_x509_crt_free(&cert);
	return !*why;
}

bool kube_leaf_serves(struct span pem, const char *organization, int64_t now)
{
	static const char oid[] = MBEDTLS_OID_AT_ORGANIZATION;
	mbedtls_x509_crt cert;

	mbedtls_x509_crt_init(&cert);
	const bool good = pem.len && !parse_cert(&cert, pem) &&
			  kube_cert_seconds(&cert.valid_from) <= now &&
			  kube_cert_seconds(&cert.valid_to) > now + DAY &&
			  str_is(subject_part(&cert, oid, MBEDTLS_OID_SIZE(oid)), organization) &&
			  !mbedtls_x509_crt_check_extended_key_usage(&cert, MBEDTLS_OID_CLIENT_AUTH,
				  MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
	mbedtls_x509_crt_free(&cert);
	return good;
}
