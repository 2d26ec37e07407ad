/* One record of the kernel's log, which a device's name or a firmware's can reach. */
#include <stdlib.h>

#include "os/kmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct str s, struct str record)
{
	if (s.len && (s.p < record.p || s.p + s.len > record.p + record.len))
		abort();
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str record = { (const char *)data, size };
	struct str file, driver, device;

	if (!kmsg_missing(&file, &driver, &device, record))
		return 0;
	if (!file.len)
		abort();
	check_name(file, record);
	check_name(driver, record);
	check_name(device, record);
	return 0;
}
