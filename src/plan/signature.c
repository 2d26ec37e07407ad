#include "plan/signature.h"

#include <mbedtls/base64.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>

#include "base/buf.h"
#include "os/file.h"
#include "os/names.h"

enum { HASH = 32, MAX_DER = 72 };

/* Parse and refuse whatever is not a public key on P-256. */
static int load(mbedtls_pk_context *pk, const struct signature_key *key, struct err *e)
{
	if (mbedtls_pk_parse_public_key(pk, key->pem.p, key->pem.len))
		return err_set(e, ERR_FORMAT,
			"%s: is no public key in PEM form; openssl ec -pubout writes one",
			key->name);
	if (!mbedtls_pk_can_do(pk, MBEDTLS_PK_ECDSA) ||
		mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*pk)) != MBEDTLS_ECP_DP_SECP256R1)
		return err_set(e, ERR_FORMAT,
			"%s: is no ECDSA key on P-256; openssl ecparam -name prime256v1 -genkey "
			"makes one",
			key->name);
	return 0;
}

static int read_key(struct signature_key *key, struct arena *a, const struct root *root,
	const char *path, struct err *e)
{
	CLEAN_BUF struct buf pem = BUF(SIGNATURE_KEY_MAX);
	mbedtls_pk_context pk;

	if (file_read(&pem, root, path, e))
		return e->code;
	char *copy = arena_copy(a, buf_text(&pem));
	*key = (struct signature_key){ path, { (const uint8_t *)copy, pem.len + 1 } };
	mbedtls_pk_init(&pk);
	const int status = load(&pk, key, e);
	mbedtls_pk_free(&pk);
	return status;
}

int signature_keys_read(struct signature_keys *keys, struct arena *a, const struct root *root,
	const char *path, struct err *e)
{
	struct signature_keys found = { arena_array(a, SIGNATURE_KEYS_MAX, sizeof *found.v), 0 };
	struct names names = { 0 };

	*keys = (struct signature_keys){ 0 };
	/* Only a clear "there is none" is no key: without one, anybody's plan is taken. */
	if (names_read(&names, a, root, path, e)) {
		if (e->code != ERR_NOTFOUND)
			return e->code;
		return e->code = ERR_OK;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (!str_ends(str_from(names.v[i]), STR(".pem")))
			continue;
		if (found.n == SIGNATURE_KEYS_MAX)
			return err_set(e, ERR_FORMAT, "%s: holds more than %d keys", path,
				SIGNATURE_KEYS_MAX);
		if (read_key(&found.v[found.n++], a, root,
			    arena_print(a, "%s/%s", path, names.v[i]), e))
			return e->code;
	}
	if (names.n && !found.n)
		return err_set(e, ERR_FORMAT,
			"%s: holds '%s' and no key; the name of a public key ends in .pem", path,
			names.v[0]);
	*keys = found;
	return 0;
}

/* SEQUENCE of two INTEGERs and nothing behind; short lengths are enough for P-256. */
static bool is_der(struct span s)
{
	if (s.len < 8 || s.len > MAX_DER || s.p[0] != 0x30 || s.p[1] != s.len - 2)
		return false;
	const size_t r = s.p[3];
	if (s.p[2] != 2 || !r || r > 33 || s.len < 6 + r)
		return false;
	const size_t n = s.p[5 + r];
	return s.p[4 + r] == 2 && n && n <= 33 && s.len == 6 + r + n;
}

static int decode(uint8_t der[SIGNATURE_MAX], size_t *len, struct span signature, struct err *e)
{
	if (!signature.len || signature.len > SIGNATURE_MAX)
		return err_set(e, ERR_FORMAT, "a signature of %zu bytes is none", signature.len);
	if (is_der(signature)) {
		memcpy(der, signature.p, signature.len);
		*len = signature.len;
		return 0;
	}
	const struct str text = str_trim((struct str){ (const char *)signature.p, signature.len });
	if (mbedtls_base64_decode(der, SIGNATURE_MAX, len, (const uint8_t *)text.p, text.len) ||
		!is_der((struct span){ der, *len }))
		return err_set(e, ERR_FORMAT,
			"the signature is damaged: neither DER nor base64 of it; openssl dgst "
			"-sha256 -sign KEY makes one");
	return 0;
}

int signature_verify(const struct signature_key **key, const struct signature_keys *keys,
	struct span content, struct span signature, struct err *e)
{
	uint8_t der[SIGNATURE_MAX], hash[HASH];
	size_t len;
	int status = ERR_AUTH;

	if (decode(der, &len, signature, e))
		return e->code;
	if (mbedtls_sha256(content.p, content.len, hash, 0))
		return err_set(e, ERR_BUG, "SHA-256 does not run");
	for (size_t i = 0; i < keys->n && status == ERR_AUTH; i++) {
		mbedtls_pk_context pk;
		mbedtls_pk_init(&pk);
		status = load(&pk, &keys->v[i], e);
		if (!status) {
			status = mbedtls_pk_verify(&pk, MBEDTLS_MD_SHA256, hash, HASH, der, len)
					 ? ERR_AUTH
					 : 0;
			*key = &keys->v[i];
		}
		mbedtls_pk_free(&pk);
	}
	if (status != ERR_AUTH)
		return status;
	return err_set(e, ERR_AUTH,
		"the signature is by none of the %zu keys in the image, or the plan was changed "
		"after it was signed",
		keys->n);
}
