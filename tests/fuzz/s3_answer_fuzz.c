/* Any bytes as a page of a listing, and as the body of a refusal. */
#include <stdlib.h>
#include <string.h>

#include "source/s3_address.h"
#include "source/s3_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(32 << 20);
	struct http_response response = { .status = 403 };
	struct s3_refusal refusal;
	struct s3_page page;
	struct err e = { 0 };

	if (!s3_page_parse(&page, &a, (struct span){ data, size }, &e)) {
		for (size_t i = 0; i < page.n; i++)
			if (!page.v[i].key.len || page.v[i].key.len > S3_KEY_MAX)
				abort();
	} else if (e.code != ERR_FORMAT && e.code != ERR_SPACE) {
		abort();
	}
	const size_t n = size < sizeof response.refusal - 1 ? size : sizeof response.refusal - 1;
	memcpy(response.refusal, data, n);
	s3_refusal_parse(&refusal, &response);
	if (strlen(refusal.code) >= sizeof refusal.code ||
		strlen(refusal.message) >= sizeof refusal.message)
		abort();
	arena_free(&a);
	return 0;
}
