/* plan/signature.h - is this plan from somebody whose key is in the image
 *
 *   openssl ecparam -name prime256v1 -genkey -noout -out key.pem      once, kept safe
 *   openssl ec -in key.pem -pubout -out plan.pem                      into the image's keys/
 *   openssl dgst -sha256 -sign key.pem -out plan.yaml.sig plan.yaml   beside the plan
 *
 * ECDSA on P-256 over SHA-256 and nothing else; the signature is DER as openssl writes it,
 * or the same in base64.  The whole file is signed, byte for byte.
 *
 * Source:     SEC 1 v2 section 4.1; RFC 3279 section 2.2.3 for the DER form.
 * Units:      keys of at most SIGNATURE_KEY_MAX bytes, SIGNATURE_KEYS_MAX of them.
 * Ownership:  keys live in the arena.
 * Errors:     ERR_FORMAT what is no key or no signature; ERR_AUTH a signature of none of
 *             the keys.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "os/root.h"

enum { SIGNATURE_KEY_MAX = 4096, SIGNATURE_KEYS_MAX = 32, SIGNATURE_MAX = 1024 };

struct signature_key {
	const char *name; /* of the file */
	struct span pem;  /* with its final zero byte */
};

struct signature_keys {
	struct signature_key *v;
	size_t n;
};

/* Every *.pem of a directory; one that cannot be used is an error, not a key less.  No
 * such directory: no keys. */
int signature_keys_read(struct signature_keys *keys, struct arena *a, const struct root *root,
	const char *path, struct err *e);

/* `*key` is the one that fits. */
int signature_verify(const struct signature_key **key, const struct signature_keys *keys,
	struct span content, struct span signature, struct err *e);
