#include "kube/uploaded.h"

#include <mbedtls/gcm.h>
#include <string.h>

#include "base/ascii.h"
#include "kube/stored.h"

enum { NONCE = 12, TAG = 16, FILE_MAX = 64 << 10 };

static const struct {
	const char *entry, *path;
	unsigned mode;
} known[KUBE_UPLOADED_MAX] = {
	{ "ca.crt", "etc/kubernetes/pki/ca.crt", 0644 },
	{ "ca.key", "etc/kubernetes/pki/ca.key", 0600 },
	{ "front-proxy-ca.crt", "etc/kubernetes/pki/front-proxy-ca.crt", 0644 },
	{ "front-proxy-ca.key", "etc/kubernetes/pki/front-proxy-ca.key", 0600 },
	{ "sa.pub", "etc/kubernetes/pki/sa.pub", 0600 },
	{ "sa.key", "etc/kubernetes/pki/sa.key", 0600 },
	{ "etcd-ca.crt", "etc/kubernetes/pki/etcd/ca.crt", 0644 },
	{ "etcd-ca.key", "etc/kubernetes/pki/etcd/ca.key", 0600 },
};

int kube_certificate_key(uint8_t key[KUBE_CERTIFICATE_KEY], struct str text, struct err *e)
{
	const struct str hex = str_trim(text);

	for (size_t i = 0; i < hex.len; i++) {
		if (!ascii_is_hex(hex.p[i]))
			return err_set(e, ERR_USAGE, "the certificate key is 64 hex digits");
	}
	if (hex.len != 2 * KUBE_CERTIFICATE_KEY)
		return err_set(e, ERR_USAGE, "the certificate key is 64 hex digits, here are %zu",
			hex.len);
	for (size_t i = 0; i < KUBE_CERTIFICATE_KEY; i++)
		key[i] = (uint8_t)(ascii_hex(hex.p[2 * i]) << 4 | ascii_hex(hex.p[2 * i + 1]));
	return 0;
}

static int decrypt(struct span *out, struct arena *a, mbedtls_gcm_context *gcm, struct span in,
	const char *entry, struct err *e)
{
	if (in.len < NONCE + TAG || in.len > FILE_MAX)
		return err_set(e, ERR_FORMAT, "kubeadm-certs: %s has %zu bytes", entry, in.len);
	const size_t len = in.len - NONCE - TAG;
	uint8_t *plain = arena_alloc(a, len + 1);
	if (mbedtls_gcm_auth_decrypt(
		    gcm, len, in.p, NONCE, NULL, 0, in.p + NONCE + len, TAG, in.p + NONCE, plain))
		return err_set(e, ERR_AUTH,
			"kubeadm-certs: %s does not open with this certificate key; it is another "
			"upload's, see what `kubeadm init phase upload-certs` printed last",
			entry);
	*out = (struct span){ plain, len };
	return 0;
}

int kube_uploaded(struct kube_uploaded *u, struct arena *a, struct span secret,
	const uint8_t key[KUBE_CERTIFICATE_KEY], struct err *e)
{
	mbedtls_gcm_context gcm;
	int status = 0;

	*u = (struct kube_uploaded){ 0 };
	mbedtls_gcm_init(&gcm);
	if (mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 8 * KUBE_CERTIFICATE_KEY))
		status = err_set(e, ERR_BUG, "AES-256 is not there");
	for (size_t i = 0; i < KUBE_UPLOADED_MAX && !status; i++) {
		const struct str in = kube_stored_data(secret, known[i].entry);
		struct kube_uploaded_file *f = &u->v[u->n];
		if (!in.len)
			continue; /* an external CA, an etcd elsewhere */
		status = decrypt(&f->bytes, a, &gcm, (struct span){ (const uint8_t *)in.p, in.len },
			known[i].entry, e);
		f->path = known[i].path;
		f->mode = known[i].mode;
		u->n += !status;
	}
	mbedtls_gcm_free(&gcm);
	if (!status && !u->n)
		status = err_set(e, ERR_NOTFOUND, "kubeadm-certs holds no file");
	if (status)
		kube_uploaded_forget(u);
	return status;
}

void kube_uploaded_forget(struct kube_uploaded *u)
{
	for (size_t i = 0; i < u->n; i++)
		explicit_bzero((void *)(uintptr_t)u->v[i].bytes.p, u->v[i].bytes.len);
	*u = (struct kube_uploaded){ 0 };
}
