/* A certificate made and signed, as Go's crypto/x509 would write it. */
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kube/cert.h"
#include "kube/cert_part.h"

enum {
	SERIAL = 8,
	BACKDATE = 300,
	PEM_MAX = 16384,
	KEY_ID = 64,
	CHAIN_MAX = 8,
};

static int set_validity(mbedtls_x509write_cert *w, int64_t from, int64_t to)
{
	char begin[16], end[16];
	const time_t times[] = { (time_t)from, (time_t)to };
	struct tm tm;

	strftime(begin, sizeof begin, "%Y%m%d%H%M%S", gmtime_r(&times[0], &tm));
	strftime(end, sizeof end, "%Y%m%d%H%M%S", gmtime_r(&times[1], &tm));
	return mbedtls_x509write_crt_set_validity(w, begin, end);
}

/* Are they the same one, in whatever spelling? */
static bool same_san(const char *a, const char *b)
{
	uint8_t x[16], y[16];
	const size_t len = kube_cert_address(x, a);

	return len ? kube_cert_address(y, b) == len && !memcmp(x, y, len) : !strcmp(a, b);
}

static bool is_among(const char *san, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (same_san(list[i], san))
			return true;
	}
	return false;
}

struct sans {
	mbedtls_x509_san_list list[CERT_SANS];
	uint8_t bytes[CERT_SANS][16];
	size_t n;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As kubeadm has them: names in the order of the alphabet, then addresses as they are given. */
static bool add_sans(struct sans *s, const char *const *sans)
{
	const char *sorted[CERT_SANS], *addresses[CERT_SANS];
	size_t names = 0, n_addresses = 0;
	uint8_t bytes[16];

	for (; sans && *sans; sans++) {
		if (names + n_addresses == CERT_SANS)
			return false;
		const size_t len = kube_cert_address(bytes, *sans);
		if (len && !is_among(*sans, addresses, n_addresses))
			addresses[n_addresses++] = *sans;
		else if (!len && !is_among(*sans, sorted, names))
			sorted[names++] = *sans;
	}
	qsort(sorted, names, sizeof *sorted, by_text);
	memcpy(sorted + names, addresses, n_addresses * sizeof *sorted);
	/* mbedTLS writes its list from the end. */
	for (s->n = 0; s->n < names + n_addresses; s->n++) {
		const char *san = sorted[names + n_addresses - 1 - s->n];
		const size_t len = kube_cert_address(s->bytes[s->n], san);
		mbedtls_x509_san_list *item = &s->list[s->n];
		item->node.type = len ? MBEDTLS_X509_SAN_IP_ADDRESS : MBEDTLS_X509_SAN_DNS_NAME;
		item->node.san.unstructured_name.p =
			len ? s->bytes[s->n] : (unsigned char *)(uintptr_t)san;
		item->node.san.unstructured_name.len = len ? len : strlen(san);
		if (s->n)
			s->list[s->n - 1].next = item;
	}
	return true;
}

/* SEQUENCE { [0] key identifier }, the identifier as the CA's certificate has it. */
static int set_authority(mbedtls_x509write_cert *w, const mbedtls_x509_crt *ca)
{
	const mbedtls_x509_buf *id = &ca->subject_key_id;
	unsigned char der[KEY_ID + 4];

	if (!id->len || id->len > KEY_ID)
		return 0;
	der[0] = 0x30;
	der[1] = (unsigned char)(id->len + 2);
	der[2] = 0x80;
	der[3] = (unsigned char)id->len;
	memcpy(der + 4, id->p, id->len);
	return mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER,
		MBEDTLS_OID_SIZE(MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER), 0, der, id->len + 4);
}

/* SEQUENCE of OBJECT IDENTIFIER 1.3.6.1.5.5.7.3.{1 server, 2 client}; mbedTLS's own writer
 * would make it critical, which Go does not. */
static int set_usages(mbedtls_x509write_cert *w, const struct kube_leaf *leaf)
{
	static const unsigned char usage[] = { 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3 };
	unsigned char der[32];
	size_t len = 2;

	for (unsigned char which = 1; which <= 2; which++) {
		if (which == 1 ? !leaf->server : !leaf->client)
			continue;
		memcpy(der + len, usage, sizeof usage);
		len += sizeof usage;
		der[len++] = which;
	}
	if (len == 2)
		return 0;
	der[0] = 0x30;
	der[1] = (unsigned char)(len - 2);
	return mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_EXTENDED_KEY_USAGE,
		MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, der, len);
}

static bool is_printable(const mbedtls_asn1_buf *v)
{
	for (size_t i = 0; i < v->len; i++) {
		const unsigned char c = v->p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c && strchr(" '()+,-./:=?", c))))
			return false;
	}
	return true;
}

/* One more name, in front: the writer starts with the last. */
static bool push_name(mbedtls_asn1_named_data **names, int tag, const mbedtls_asn1_buf *oid,
	const void *text, size_t len)
{
	mbedtls_asn1_named_data *n = mbedtls_calloc(1, sizeof *n);
	void *oid_copy = mbedtls_calloc(1, oid->len + 1), *copy = mbedtls_calloc(1, len + 1);

	if (!n || !oid_copy || !copy) {
		mbedtls_free(n);
		mbedtls_free(oid_copy);
		mbedtls_free(copy);
		return false;
	}
	memcpy(oid_copy, oid->p, oid->len);
	memcpy(copy, text, len);
	n->oid = (mbedtls_asn1_buf){ oid->tag, oid->len, oid_copy };
	n->val = (mbedtls_asn1_buf){ tag, len, copy };
	n->next = *names;
	*names = n;
	return true;
}

/* Go's choice of the kind of text. */
static bool push_text(
	mbedtls_asn1_named_data **names, const char *oid, size_t oid_len, const char *text)
{
	const mbedtls_asn1_buf id = { MBEDTLS_ASN1_OID, oid_len, (void *)(uintptr_t)oid };
	const mbedtls_asn1_buf value = { 0, strlen(text), (void *)(uintptr_t)text };

	return push_name(names,
		is_printable(&value) ? MBEDTLS_ASN1_PRINTABLE_STRING : MBEDTLS_ASN1_UTF8_STRING,
		&id, text, value.len);
}

/* In the order of Go's pkix.Name.  Go finds the CA by the very bytes of its name, so those are
 * taken over, kinds of text and all. */
static bool set_names(
	mbedtls_x509write_cert *w, const mbedtls_x509_crt *ca, const struct kube_leaf *leaf)
{
	mbedtls_asn1_named_data **subject = &w->MBEDTLS_PRIVATE(subject);

	for (const mbedtls_x509_name *n = &ca->subject; n; n = n->next) {
		if (!push_name(
			    &w->MBEDTLS_PRIVATE(issuer), n->val.tag, &n->oid, n->val.p, n->val.len))
			return false;
	}
	return (!leaf->organization || push_text(subject, MBEDTLS_OID_AT_ORGANIZATION,
					       MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORGANIZATION),
					       leaf->organization)) &&
	       push_text(subject, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN),
		       leaf->common_name);
}

/* Go's choice for each kind of key. */
static mbedtls_md_type_t digest_of(const mbedtls_pk_context *key)
{
	const size_t bits = mbedtls_pk_can_do(key, MBEDTLS_PK_RSA) ? 0 : mbedtls_pk_get_bitlen(key);

	return bits > 384 ? MBEDTLS_MD_SHA512 : bits > 256 ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA256;
}

size_t kube_leaf_serial(uint8_t serial[SERIAL], const uint8_t random[SERIAL])
{
	uint8_t number[SERIAL];
	size_t zeros = 0;

	memcpy(number, random, SERIAL);
	number[0] &= 0x7f;
	number[SERIAL - 1] |= 1; /* not 0 */
	/* With zero bytes in front, Go takes the certificate for malformed. */
	while (!number[zeros])
		zeros++;
	memcpy(serial, number + zeros, SERIAL - zeros);
	return SERIAL - zeros;
}

/* Go's order of the extensions. */
static int fill(mbedtls_x509write_cert *w, struct kube_ca *ca, const struct kube_leaf *leaf,
	struct sans *sans, mbedtls_pk_context *key)
{
	uint8_t serial[SERIAL], random[SERIAL];
	const int64_t ca_end = kube_cert_seconds(&ca->signer->valid_to),
		      ca_begin = kube_cert_seconds(&ca->signer->valid_from);
	const int64_t begin = leaf->from_ca ? ca_begin : leaf->now - BACKDATE;
	int64_t end = leaf->now + (leaf->lifetime ? leaf->lifetime : CERT_YEAR);

	end = end < ca_end ? end : ca_end;
	if (mbedtls_ctr_drbg_random(&ca->random, random, sizeof random))
		return -1;
	const size_t serial_len = kube_leaf_serial(serial, random);
	mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(w, digest_of(&ca->key));
	mbedtls_x509write_crt_set_subject_key(w, key);
	mbedtls_x509write_crt_set_issuer_key(w, &ca->key);
	if (mbedtls_x509write_crt_set_serial_raw(w, serial, serial_len) ||
		!set_names(w, ca->signer, leaf) || set_validity(w, begin, end))
		return -1;
	return mbedtls_x509write_crt_set_key_usage(
		       w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT) ||
	       set_usages(w, leaf) ||
	       mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_BASIC_CONSTRAINTS,
		       MBEDTLS_OID_SIZE(MBEDTLS_OID_BASIC_CONSTRAINTS), 1,
		       (const unsigned char *)"\x30\x00", 2) ||
	       set_authority(w, ca->signer) ||
	       (sans->n && mbedtls_x509write_crt_set_subject_alternative_name(w, sans->list));
}

/* Sizes as kubeadm's encryptionAlgorithm names them; without it what kubeadm takes when nothing
 * is said, of the kind that the CA is of. */
static int new_key(mbedtls_pk_context *key, struct kube_ca *ca, const char *algorithm)
{
	static const struct {
		const char *name;
		unsigned bits;
		mbedtls_ecp_group_id curve;
	} kinds[] = {
		{ "RSA-2048", 2048, MBEDTLS_ECP_DP_NONE },
		{ "RSA-3072", 3072, MBEDTLS_ECP_DP_NONE },
		{ "RSA-4096", 4096, MBEDTLS_ECP_DP_NONE },
		{ "ECDSA-P256", 0, MBEDTLS_ECP_DP_SECP256R1 },
		{ "ECDSA-P384", 0, MBEDTLS_ECP_DP_SECP384R1 },
	};
	const bool rsa = mbedtls_pk_can_do(&ca->key, MBEDTLS_PK_RSA);
	size_t i = 0;

	algorithm = algorithm ? algorithm : rsa ? "RSA-2048" : "ECDSA-P256";
	while (i < sizeof kinds / sizeof *kinds && strcmp(kinds[i].name, algorithm))
		i++;
	if (i == sizeof kinds / sizeof *kinds)
		return -1;
	if (kinds[i].bits)
		return mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) ||
		       mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), mbedtls_ctr_drbg_random,
			       &ca->random, kinds[i].bits, 65537);
	return mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) ||
	       mbedtls_ecp_gen_key(
		       kinds[i].curve, mbedtls_pk_ec(*key), mbedtls_ctr_drbg_random, &ca->random);
}

/* Does the new certificate name the CA as the CA names itself? */
static bool names_its_ca(const unsigned char *pem, const struct kube_ca *ca)
{
	mbedtls_x509_crt cert;

	mbedtls_x509_crt_init(&cert);
	const bool same =
		!mbedtls_x509_crt_parse(&cert, pem, strlen((const char *)pem) + 1) &&
		cert.issuer_raw.len == ca->signer->subject_raw.len &&
		!memcmp(cert.issuer_raw.p, ca->signer->subject_raw.p, cert.issuer_raw.len);
	mbedtls_x509_crt_free(&cert);
	return same;
}

static bool is_own(const mbedtls_x509_crt *c)
{
	return c->issuer_raw.len == c->subject_raw.len &&
	       !memcmp(c->issuer_raw.p, c->subject_raw.p, c->issuer_raw.len);
}

/* A CA that another one vouches for: who knows only that other one needs the steps in between,
 * up to but without the one that vouches for itself. */
static int add_chain(unsigned char *text, const struct kube_ca *ca)
{
	const mbedtls_x509_crt *c = ca->signer;

	for (int step = 0; c && !is_own(c) && step < CHAIN_MAX; step++) {
		const size_t used = strlen((char *)text);
		size_t len;
		if (mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n",
			    "-----END CERTIFICATE-----\n", c->raw.p, c->raw.len, text + used,
			    PEM_MAX - used, &len))
			return -1;
		c = kube_cert_issuer(ca, c);
	}
	return 0;
}

int kube_leaf_issue(const char **cert, char **key_pem, struct arena *a, struct kube_ca *ca,
	const struct kube_leaf *leaf, struct err *e)
{
	struct sans *sans = arena_alloc(a, sizeof *sans);
	unsigned char *text = arena_alloc(a, PEM_MAX);
	char *key_text = arena_alloc(a, PEM_MAX);
	mbedtls_x509write_cert w;
	mbedtls_pk_context key;
	int status = -1;

	if (!*leaf->common_name)
		return err_set(e, ERR_FORMAT, "a certificate without a common name");
	if (mbedtls_pk_get_type(&ca->key) == MBEDTLS_PK_NONE)
		return err_set(e, ERR_NOTFOUND, "%s has no key to sign with", ca->name);
	if (kube_cert_seconds(&ca->signer->valid_to) <= leaf->now)
		return err_set(e, ERR_MISMATCH,
			"%s has run out; certificates of it would be of no use", ca->name);
	if (kube_cert_seconds(&ca->signer->valid_from) > leaf->now + BACKDATE)
		return err_set(e, ERR_MISMATCH,
			"%s is not valid yet; is the clock of this machine right?", ca->name);
	if (!add_sans(sans, leaf->sans))
		return err_set(
			e, ERR_FORMAT, "%s: more than %d names", leaf->common_name, CERT_SANS);
	mbedtls_x509write_crt_init(&w);
	mbedtls_pk_init(&key);
	if (!new_key(&key, ca, leaf->algorithm) && !fill(&w, ca, leaf, sans, &key) &&
		!mbedtls_x509write_crt_pem(
			&w, text, PEM_MAX, mbedtls_ctr_drbg_random, &ca->random) &&
		!add_chain(text, ca) &&
		!mbedtls_pk_write_key_pem(&key, (unsigned char *)key_text, PEM_MAX))
		status = 0;
	mbedtls_pk_free(&key);
	mbedtls_x509write_crt_free(&w);
	if (status) {
		mbedtls_platform_zeroize(key_text, PEM_MAX);
		return err_set(
			e, ERR_BUG, "%s: the certificate could not be made", leaf->common_name);
	}
	if (!names_its_ca(text, ca)) {
		mbedtls_platform_zeroize(key_text, PEM_MAX);
		return err_set(e, ERR_UNSUPPORTED,
			"%s: its name is of a form that cannot be written here", ca->name);
	}
	*cert = (const char *)text;
	*key_pem = key_text;
	return 0;
}
