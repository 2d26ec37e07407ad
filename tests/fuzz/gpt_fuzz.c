/* Any bytes as a disk with a GUID partition table. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/file.h"
#include "os/gpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLOSE_FD int fd = memfd_create("disk", MFD_CLOEXEC);
	struct err e = { 0 };
	char uuid[GPT_UUID];

	if (fd < 0 || file_write(fd, data, size, &e))
		return 0;
	for (unsigned number = 0; number < 130; number += 3) {
		if (!gpt_partition_uuid(uuid, fd, number % 2 ? 512 : 4096, number, &e) &&
			strlen(uuid) != GPT_UUID - 1)
			abort();
	}
	return 0;
}
