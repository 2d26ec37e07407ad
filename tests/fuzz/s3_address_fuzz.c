/* Any text as an s3:// address: what is printed of it parses to the same, and a URL of it holds
 * no blank. */
#include <stdlib.h>
#include <string.h>

#include "source/s3_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(1 << 20);
	struct s3_address first, again;
	struct s3_endpoint endpoint;
	struct err e = { 0 };

	if (!s3_address_parse(&first, &a, (struct str){ (const char *)data, size }, &e)) {
		const char *printed = s3_address_print(&a, first.bucket, first.key);
		if (s3_address_parse(&again, &a, str_from(printed), &e) ||
			strcmp(first.bucket, again.bucket) != 0 ||
			!str_equal(first.key, again.key) || again.version || again.versions)
			abort();
		/* The same text as an endpoint, too. */
		char *text = arena_copy(&a, (struct str){ (const char *)data, size });
		memcpy(text, "http", size < 4 ? size : 4);
		if (s3_endpoint_set(
			    &endpoint, &a, text, NULL, SOURCE_ADDRESSING_AUTO, first.bucket, &e) &&
			s3_endpoint_set(&endpoint, &a, NULL, NULL, SOURCE_ADDRESSING_AUTO,
				first.bucket, &e))
			abort();
		const char *url = s3_endpoint_url(&a, &endpoint, first.bucket, first.key, NULL);
		for (; *url; url++)
			if (*url <= ' ' || *url == 0x7f)
				abort();
	} else if (e.code != ERR_USAGE ||
		   (size > 13 && !memcmp(data, "s3://i:CANARY", 13) && strstr(e.text, "CANARY"))) {
		abort();
	}
	arena_free(&a);
	return 0;
}
