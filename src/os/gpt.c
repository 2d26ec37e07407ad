#include "os/gpt.h"

#include <stdio.h>

#include "os/file.h"

enum { HEADER = 92, ENTRY = 128, ENTRY_MAX = 4096, NUMBERS = 1024 };

int gpt_partition_uuid(char uuid[GPT_UUID], int fd, unsigned sector, unsigned number, struct err *e)
{
	uint8_t header[HEADER], entry[ENTRY];

	if (sector < 512 || sector > 65536)
		return err_set(e, ERR_FORMAT, "blocks of %u bytes", sector);
	if (file_read_at(fd, header, sizeof header, sector, e))
		return e->code;
	const uint32_t count = le32(header + 80), size = le32(header + 84);
	const uint64_t first = le64(header + 72);
	if (memcmp(header, "EFI PART", 8) != 0)
		return err_set(e, ERR_FORMAT, "has no GUID partition table");
	if (size < ENTRY || size > ENTRY_MAX || first > UINT32_MAX)
		return err_set(e, ERR_FORMAT, "its partition table has entries of %u bytes", size);
	if (!number || number > count || number > NUMBERS)
		return err_set(e, ERR_NOTFOUND, "has no partition %u", number);
	if (file_read_at(
		    fd, entry, sizeof entry, first * sector + (uint64_t)(number - 1) * size, e))
		return e->code;
	const uint8_t *g = entry + 16;
	uint8_t any = 0;
	for (size_t i = 0; i < 16; i++)
		any |= entry[i];
	if (!any)
		return err_set(e, ERR_NOTFOUND, "has no partition %u", number);
	snprintf(uuid, GPT_UUID, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", le32(g),
		le16(g + 4), le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
	return 0;
}
