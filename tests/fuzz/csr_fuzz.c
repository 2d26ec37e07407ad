/* Any bytes as a kubelet's request for a certificate: in PEM, and as what is inside of it. */
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "kube/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct arena *a, struct str pem)
{
	struct kube_csr csr;
	struct err e = { 0 };

	if (kube_csr_read(&csr, a, pem, &e)) {
		if (!e.text[0])
			abort();
		return;
	}
	if (!*csr.common_name || !*csr.organization || csr.names.n > KUBE_CSR_NAMES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_BUF struct buf pem = BUF(1 << 20);
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };

	if (size > KUBE_CSR_MAX)
		return 0;
	look(&a, (struct str){ (const char *)data, size });
	/* The engine need not find out about base64. */
	if (buf_print(&pem, &e, "-----BEGIN CERTIFICATE REQUEST-----\n") ||
		codec_text_base64(&pem, (struct span){ data, size }, &e) ||
		buf_print(&pem, &e, "\n-----END CERTIFICATE REQUEST-----\n"))
		abort();
	look(&a, buf_text(&pem));
	arena_free(&a);
	return 0;
}
