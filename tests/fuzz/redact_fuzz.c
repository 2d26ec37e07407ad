/* Any text with a secret in it: the secret is never in what comes out, nor when that is redacted
 * once more. */
#include <stdlib.h>
#include <string.h>

#include "plan/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "CANARY disk words";

static void redacted(struct buf *out, const struct redact *r, struct str text)
{
	struct err e = { 0 };

	if (redact_text(out, r, text, &e))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_BUF struct buf once = BUF(64 << 20), twice = BUF(64 << 20);
	struct redact r = { 0 };
	size_t at;

	if (size > 1 << 16)
		return 0;
	redact_know(&r, STR(secret));
	redacted(&once, &r, (struct str){ (const char *)data, size });
	if (str_find(&at, buf_text(&once), STR(secret)))
		abort();
	redacted(&twice, &r, buf_text(&once));
	if (str_find(&at, buf_text(&twice), STR(secret)))
		abort();
	return 0;
}
