/* Any file as one with keys: two keys without blanks, or one error that quotes no value (the
 * names of profiles are no values). */
#include <stdlib.h>
#include <string.h>

#include "source/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plain(const char *key)
{
	for (; *key; key++)
		if (*key <= ' ' || *key > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct credentials c = { 0 };
	struct err e = { 0 };

	if (!credentials_read_file(&c, (struct str){ (const char *)data, size }, NULL, &e)) {
		if (!*c.access || !*c.secret)
			abort();
		plain(c.access);
		plain(c.secret);
		plain(c.session);
	} else if (e.code != ERR_FORMAT || (!memchr(data, '[', size) && strstr(e.text, "CANARY"))) {
		abort();
	}
	return 0;
}
