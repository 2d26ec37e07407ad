#include "kube/cert.h"

#include <arpa/inet.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

enum {
	SERIAL = 8,
	BACKDATE = 300,
	DAY = 24 * 3600,
	RSA_BITS = 2048,
	PEM_MAX = 16384,
	KEY_ID = 64,
	CHAIN_MAX = 8
};

struct kube_ca {
	mbedtls_x509_crt cert;    /* all of the file, in a list */
	mbedtls_x509_crt *signer; /* the one of them that the key is of */
	mbedtls_pk_context key;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	const char *name;
};

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

static int64_t seconds(const mbedtls_x509_time *t)
{
	struct tm tm = { .tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec };

	return timegm(&tm);
}

static int set_validity(mbedtls_x509write_cert *w, int64_t from, int64_t to)
{
	char begin[16], end[16];
	const time_t times[] = { (time_t)from, (time_t)to };
	struct tm tm;

	strftime(begin, sizeof begin, "%Y%m%d%H%M%S", gmtime_r(&times[0], &tm));
	strftime(end, sizeof end, "%Y%m%d%H%M%S", gmtime_r(&times[1], &tm));
	return mbedtls_x509write_crt_set_validity(w, begin, end);
}

/* An address in its bytes; 0: a name. */
static size_t address(uint8_t bytes[16], const char *san)
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

/* Are they the same one, in whatever spelling? */
static bool same_san(const char *a, const char *b)
{
	uint8_t x[16], y[16];
	const size_t len = address(x, a);

	return len ? address(y, b) == len && !memcmp(x, y, len) : !strcmp(a, b);
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
		const size_t len = address(bytes, *sans);
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
		const size_t len = address(s->bytes[s->n], san);
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
	const int64_t ca_end = seconds(&ca->signer->valid_to),
		      ca_begin = seconds(&ca->signer->valid_from);
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

/* The CA of the file whose name the certificate's issuer is; of several of one name, as when a CA
 * is exchanged for one of the same name, the one that lasts longest.  NULL: none is. */
static const mbedtls_x509_crt *issuer_of(const struct kube_ca *ca, const mbedtls_x509_crt *cert)
{
	const mbedtls_x509_crt *found = NULL;

	for (const mbedtls_x509_crt *c = &ca->cert; c; c = c->next) {
		if (c->subject_raw.len == cert->issuer_raw.len &&
			!memcmp(c->subject_raw.p, cert->issuer_raw.p, c->subject_raw.len) &&
			(!found || seconds(&c->valid_to) > seconds(&found->valid_to)))
			found = c;
	}
	return found;
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
		c = issuer_of(ca, c);
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
	if (seconds(&ca->signer->valid_to) <= leaf->now)
		return err_set(e, ERR_MISMATCH,
			"%s has run out; certificates of it would be of no use", ca->name);
	if (seconds(&ca->signer->valid_from) > leaf->now + BACKDATE)
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

static bool has_san(const mbedtls_x509_crt *cert, const char *san)
{
	uint8_t bytes[16];
	const size_t len = address(bytes, san);

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
	const mbedtls_x509_crt *issuer = issuer_of(ca, cert);
	if (seconds(&(issuer ? issuer : ca->signer)->valid_to) <= leaf->now)
		return "its CA has run out";
	if (seconds(&cert->valid_to) < leaf->now + DAY)
		return "it has run out, or will within a day";
	if (seconds(&cert->valid_from) > leaf->now)
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
