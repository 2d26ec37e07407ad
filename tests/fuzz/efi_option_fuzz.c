/* Any bytes as a UEFI load option. */
#include <stdlib.h>
#include <string.h>

#include "os/efi_option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(1 << 24);
	struct efi_option option = { 0 };
	struct err e = { 0 };

	if (!efi_option_parse(&option, &a, (struct span){ data, size }, &e)) {
		if (!option.title || (option.file && (!*option.file || *option.file == '/')) ||
			(option.partition && strlen(option.partition) < 11))
			abort();
	} else if (e.code != ERR_FORMAT || !e.text[0]) {
		abort();
	}
	arena_free(&a);
	return 0;
}
