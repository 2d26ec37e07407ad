/* Any bytes as what a master's etc/kubernetes holds: certificates and keys as PEM, a kubeconfig,
 * an EncryptionConfiguration.
 *
 *   byte 0   0: a CA's certificate, a zero byte, its key; and both as a leaf's of themselves
 *            1: a kubeconfig   2: an EncryptionConfiguration
 *   then     the text
 */
#include <stdlib.h>
#include <string.h>

#include "kube/cert.h"
#include "kube/encryption.h"
#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.9.4 forgets one block when it gives up on a text: fy_atom_format_text. */
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_iter_grow_chunk";
}

static void as_ca(struct arena *a, struct span text)
{
	static const char *const sans[] = { "localhost", "10.0.0.1", NULL };
	const struct kube_leaf leaf = { .common_name = "x",
		.sans = sans,
		.server = true,
		.now = 1800000000,
		.algorithm = "ECDSA-P256" };
	const uint8_t *zero = text.len ? memchr(text.p, 0, text.len) : NULL;
	const struct span cert = { text.p, zero ? (size_t)(zero - text.p) : text.len };
	const struct span key =
		zero ? (struct span){ zero + 1, text.len - cert.len - 1 } : (struct span){ 0 };
	const char *issued, *why;
	struct kube_ca *ca;
	char *issued_key;
	struct err e = { 0 };

	if (kube_leaf_serves(cert, "", leaf.now) && !cert.len)
		abort();
	if (kube_ca_open(&ca, cert, key, "ca.crt", &e)) {
		if (!e.code || !*e.text)
			abort();
		return;
	}
	kube_leaf_is_good(&why, a, ca, cert, key, &leaf);
	if (!kube_leaf_issue(&issued, &issued_key, a, ca, &leaf, &e)) {
		/* What was signed is believed, or there is a reason that can be said. */
		const struct span c = { (const uint8_t *)issued, strlen(issued) };
		const struct span k = { (const uint8_t *)issued_key, strlen(issued_key) };
		if (!kube_leaf_is_good(&why, a, ca, c, k, &leaf) && !*why)
			abort();
	}
	kube_ca_close(ca);
}

static void as_kubeconfig(struct arena *a, struct str text)
{
	struct kube_files files = kube_files(a, NULL);
	struct kube_file file = { .set = &files, .path = "admin.conf", .text = text };
	struct kube_kubeconfig config = { 0 };
	struct err e = { 0 };

	if (kube_kubeconfig_read(&config, &file, &e)) {
		if (!*e.text)
			abort();
		return;
	}
	/* Whatever else is read is a text of its own, no longer than what it was read from. */
	const char *const texts[] = { config.cluster, config.server, config.user, config.ca_file,
		config.cert_file, config.key_file, config.token_file, config.token,
		config.server_name };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (texts[i] && strlen(texts[i]) > text.len)
			abort();
	}
}

static void as_encryption(struct arena *a, struct str text)
{
	struct kube_encryption c;
	struct err e = { 0 };

	if (kube_encryption_parse(&c, a, text, "e.yaml", &e))
		return;
	for (size_t i = 0; i < c.n; i++) {
		if (!kube_encryption_reads(
			    &c, str_from(c.keys[i].kind), str_from(c.keys[i].name)) &&
			!strpbrk(c.keys[i].kind, " :"))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(128 << 20);

	if (size < 1 || size > 1 << 16)
		return 0;
	const struct span text = { data + 1, size - 1 };
	const struct str chars = { (const char *)data + 1, size - 1 };
	if (data[0] % 3 == 0)
		as_ca(&a, text);
	else if (data[0] % 3 == 1)
		as_kubeconfig(&a, chars);
	else
		as_encryption(&a, chars);
	arena_free(&a);
	return 0;
}
