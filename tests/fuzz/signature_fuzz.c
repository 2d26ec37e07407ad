/* Any bytes as a signature of a fixed text, and any bytes as a key: never taken, no crash. */
#include <stdlib.h>
#include <string.h>

#include "plan/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key on P-256 made for this file; its private half was never kept. */
static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEzGpYndW6TFu5Da6KgIs3hidDYIkR\n"
			  "JFEmpyiGeSpS9CM1uX1t8G4M4QicZDSoqTimLzr2jmf9Dc1Mv5hdW5a+iw==\n"
			  "-----END PUBLIC KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signature_key key = { "key", { (const uint8_t *)pem, sizeof pem } };
	const struct signature_keys keys = { &key, 1 };
	const struct signature_key *signer = NULL;
	char *own = malloc(size + 1);
	struct err e = { 0 };

	if (!own)
		return 0;
	if (!signature_verify(&signer, &keys, SPAN("text"), (struct span){ data, size }, &e))
		abort(); /* nobody can have signed this */
	if (e.code != ERR_AUTH && e.code != ERR_FORMAT)
		abort();

	memcpy(own, data, size);
	own[size] = 0;
	struct signature_key other = { "other", { (const uint8_t *)own, size + 1 } };
	const struct signature_keys others = { &other, 1 };
	/* DER of a signature with r = s = 1 */
	signature_verify(
		&signer, &others, SPAN("text"), SPAN("\x30\x06\x02\x01\x01\x02\x01\x01"), &e);
	free(own);
	return 0;
}
