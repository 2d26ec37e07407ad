#include "kube/csr.h"

#include <arpa/inet.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_csr.h>
#include <string.h>

#include "base/buf.h"
#include "codec/text.h"

enum { KEY_MAX = 8192 };

static int refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_FORMAT, "%s", what);
}

/* mbedTLS would find a block anywhere in the text; another reader may find another one. */
static int unwrap(struct buf *der, struct str pem, struct err *e)
{
	static const char begin[] = "-----BEGIN CERTIFICATE REQUEST-----\n",
			  end[] = "-----END CERTIFICATE REQUEST-----";
	CLEAN_BUF struct buf bare = BUF(KUBE_CSR_MAX);
	struct str rest, line;

	pem = str_trim(pem);
	if (pem.len > KUBE_CSR_MAX)
		return refuse(e, "it is too long for a request");
	if (!str_starts(pem, str_from(begin)) || !str_ends(pem, str_from(end)) ||
		pem.len < sizeof begin + sizeof end - 2)
		return refuse(e, "it is not one request in PEM");
	rest = (struct str){ pem.p + sizeof begin - 1, pem.len - sizeof begin - sizeof end + 2 };
	while (str_next(&line, &rest, '\n')) {
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (buf_add_str(&bare, line, e))
			return e->code;
	}
	if (codec_text_unbase64(der, buf_text(&bare), e) || !der->len)
		return refuse(e, "it is not one request in PEM");
	return 0;
}

static int unknown(void *ctx, mbedtls_x509_csr const *csr, mbedtls_x509_buf const *oid,
	int critical, const unsigned char *p, const unsigned char *end)
{
	(void)csr, (void)oid, (void)critical, (void)p, (void)end;
	*(bool *)ctx = true;
	return MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE;
}

static bool is_signed(const mbedtls_x509_csr *csr)
{
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(csr->MBEDTLS_PRIVATE(sig_md));
	uint8_t hash[MBEDTLS_MD_MAX_SIZE];

	return md && !mbedtls_md(md, csr->cri.p, csr->cri.len, hash) &&
	       !mbedtls_pk_verify_ext(csr->MBEDTLS_PRIVATE(sig_pk), csr->MBEDTLS_PRIVATE(sig_opts),
		       (mbedtls_pk_context *)(uintptr_t)&csr->pk, csr->MBEDTLS_PRIVATE(sig_md),
		       hash, mbedtls_md_get_size(md), csr->MBEDTLS_PRIVATE(sig).p,
		       csr->MBEDTLS_PRIVATE(sig).len);
}

/* Names are compared byte by byte, so that a zero byte or a letter of another script is just
 * another name; what is told of them has to be printable. */
static const char *plain(struct arena *a, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] <= ' ' || p[i] > '~')
			return NULL;
	}
	return len ? arena_copy(a, (struct str){ (const char *)p, len }) : NULL;
}

static int subject(struct kube_csr *csr, struct arena *a, const mbedtls_x509_name *n, struct err *e)
{
	for (; n; n = n->next) {
		const char **to = !MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) ? &csr->common_name
				  : !MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &n->oid)
					  ? &csr->organization
					  : NULL;
		if (!to || *to)
			return refuse(e, "its subject is more than a common name and an "
					 "organization");
		if (n->val.tag == MBEDTLS_ASN1_UTF8_STRING ||
			n->val.tag == MBEDTLS_ASN1_PRINTABLE_STRING)
			*to = plain(a, n->val.p, n->val.len);
		if (!*to)
			return refuse(e, "its subject is no plain text");
	}
	return csr->common_name && csr->organization
		       ? 0
		       : refuse(e, "its subject lacks a common name or an organization");
}

static int alternative(
	struct kube_csr *csr, struct arena *a, const mbedtls_x509_buf *san, struct err *e)
{
	const int family = san->len == 4 ? AF_INET : AF_INET6;
	char text[INET6_ADDRSTRLEN];

	switch (san->tag & 0x1f) {
	case MBEDTLS_X509_SAN_DNS_NAME: {
		const char *name = plain(a, san->p, san->len);
		if (!name)
			return refuse(e, "it asks for a name that is no plain text");
		kube_add_text(&csr->names, a, name);
		return 0;
	}
	case MBEDTLS_X509_SAN_IP_ADDRESS:
		if ((san->len != 4 && san->len != 16) ||
			!inet_ntop(family, san->p, text, sizeof text))
			return refuse(e, "it asks for an address that is none");
		kube_add_text(&csr->addresses, a, arena_copy(a, str_from(text)));
		return 0;
	default:
		return refuse(e, "it asks for more than names and addresses");
	}
}

static int alternatives(
	struct kube_csr *csr, struct arena *a, const mbedtls_x509_sequence *s, struct err *e)
{
	size_t n = 0;

	for (; s; s = s->next) {
		/* The list begins with an empty one when there are none. */
		if (!s->buf.p)
			continue;
		if (++n > KUBE_CSR_NAMES)
			return refuse(e, "it asks for too many names");
		if (alternative(csr, a, &s->buf, e))
			return e->code;
	}
	return 0;
}

static int digest_key(struct kube_csr *csr, const mbedtls_x509_csr *x, struct err *e)
{
	uint8_t der[KEY_MAX];
	const int n = mbedtls_pk_write_pubkey_der(&x->pk, der, sizeof der);

	/* It is written at the end. */
	if (n <= 0)
		return refuse(e, "its key is of no kind that a kubelet has");
	codec_sha256_of(csr->key, (struct span){ der + sizeof der - n, (size_t)n });
	return 0;
}

int kube_csr_read(struct kube_csr *csr, struct arena *a, struct str pem, struct err *e)
{
	CLEAN_BUF struct buf der = BUF(KUBE_CSR_MAX);
	mbedtls_x509_csr x;
	bool more = false;

	*csr = (struct kube_csr){ 0 };
	if (unwrap(&der, pem, e))
		return e->code;
	mbedtls_x509_csr_init(&x);
	const int bad = mbedtls_x509_csr_parse_der_with_ext_cb(&x, der.p, der.len, unknown, &more);
	if (bad && bad != MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE)
		refuse(e, "it is no request for a certificate");
	else if (bad || more || x.MBEDTLS_PRIVATE(ext_types) & ~MBEDTLS_X509_EXT_SUBJECT_ALT_NAME)
		refuse(e, "it asks for an extension that no kubelet asks for");
	else if (!is_signed(&x))
		refuse(e, "it is not signed with its own key");
	else if (!digest_key(csr, &x, e) && !subject(csr, a, &x.subject, e))
		alternatives(csr, a, &x.subject_alt_names, e);
	mbedtls_x509_csr_free(&x);
	return e->code;
}
