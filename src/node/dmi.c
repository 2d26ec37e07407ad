#include "node/dmi.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "os/attribute.h"

bool dmi_is_placeholder(const char *text)
{
	static const char *const texts[] = {
		"To Be Filled By O.E.M.",
		"To be filled by O.E.M.",
		"Default string",
		"Not Specified",
		"Not Applicable",
		"Not Available",
		"None",
		"N/A",
		"Unknown",
		"Undefined",
		"OEM",
		"System Serial Number",
		"System Product Name",
		"System manufacturer",
		"System Version",
		"Chassis Serial Number",
		"Base Board Serial Number",
		"Asset Tag",
		"No Asset Tag",
		"0123456789",
		"123456789",
		"1234567890",
		"INVALID",
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (!strcasecmp(text, texts[i]))
			return true;
	}
	/* "0", "00000000", "........", "xxxx", "FFFFFFFF-FFFF-..." */
	const char first = text[0];
	return first && strchr("0.xXfF- ", first) &&
	       strspn(text, (const char[]){ first, '-', 0 }) == strlen(text);
}

static const char *read(struct arena *a, const struct root *root, const char *name)
{
	const char *text = attribute_text(a, root, "sys/class/dmi/id/%s", name);

	return text && !dmi_is_placeholder(text) ? text : NULL;
}

static const char *chassis_word(uint64_t type)
{
	static const char *const words[] = {
		[3] = "desktop",
		[4] = "low profile desktop",
		[5] = "pizza box",
		[6] = "mini tower",
		[7] = "tower",
		[8] = "portable",
		[9] = "laptop",
		[10] = "notebook",
		[13] = "all in one",
		[17] = "main server chassis",
		[22] = "RAID chassis",
		[23] = "rack mount",
		[25] = "multi-system chassis",
		[28] = "blade",
		[29] = "blade enclosure",
		[35] = "mini PC",
	};

	/* The highest bit says that the chassis can be locked. */
	type &= 0x7f;
	return type < sizeof words / sizeof *words ? words[type] : NULL;
}

void dmi_read(struct dmi *dmi, struct arena *a, const struct root *root)
{
	*dmi = (struct dmi){
		.vendor = read(a, root, "sys_vendor"),
		.product = read(a, root, "product_name"),
		.version = read(a, root, "product_version"),
		.serial = read(a, root, "product_serial"),
		.uuid = read(a, root, "product_uuid"),
		.board_vendor = read(a, root, "board_vendor"),
		.board = read(a, root, "board_name"),
		.board_serial = read(a, root, "board_serial"),
		.chassis = chassis_word(attribute_u64(0, root, "sys/class/dmi/id/chassis_type")),
		.chassis_serial = read(a, root, "chassis_serial"),
		.asset = read(a, root, "chassis_asset_tag"),
		.bios_vendor = read(a, root, "bios_vendor"),
		.bios_version = read(a, root, "bios_version"),
		.bios_date = read(a, root, "bios_date"),
	};
	if (!dmi->product)
		dmi->product = attribute_text(a, root, "sys/firmware/devicetree/base/model");
	if (!dmi->serial)
		dmi->serial = attribute_text(a, root, "sys/firmware/devicetree/base/serial-number");
}
