/* Any bytes as a .snap file: what is accepted carries the checksum of its data. */
#include <stdlib.h>

#include "etcd/snapfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct etcd_snapfile file;
	struct err e = { 0 };

	if (etcd_snapfile_parse(&file, (struct span){ data, size }, &e)) {
		if (!e.code || !e.text[0])
			abort();
		return 0;
	}
	if (!file.crc || file.snapshot.data.len > size ||
		file.snapshot.conf_state.n_voters > ETCD_MEMBERS_MAX)
		abort();
	return 0;
}
