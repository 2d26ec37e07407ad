#include "os/block.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "os/attribute.h"
#include "os/file.h"
#include "os/names.h"

enum { SECTOR = 512, PATH_SIZE = 1024 };

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* What is no disk, or would only keep us waiting: a floppy drive clatters for seconds. */
static bool is_ignored(const char *name)
{
	static const char *const prefixes[] = { "loop", "ram", "zram", "fd", "mtdblock" };

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		if (starts(name, prefixes[i]))
			return true;
	}
	/* eMMC's boot and RPMB areas are not the card. */
	return starts(name, "mmcblk") && (strstr(name, "boot") || strstr(name, "rpmb"));
}

/* "sys/devices/pci0000:00/.../block/sda" of a disk; "sys/block/sda" when that is no link. */
static void device_path(char path[PATH_SIZE], const struct root *root, const char *name)
{
	char link[300], target[PATH_SIZE - 8];
	struct err e;

	snprintf(link, sizeof link, "sys/block/%s", name);
	if (root_read_link(target, sizeof target, root, link, &e)) {
		snprintf(path, PATH_SIZE, "%s", link);
		return;
	}
	const char *p = target;
	while (starts(p, "../"))
		p += 3;
	snprintf(path, PATH_SIZE, "sys/%s", p);
}

/* Climb from the disk towards the root of the device tree: "a/b/c" to "a/b". */
static bool climb(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !strcmp(path, "sys/devices"))
		return false;
	*slash = 0;
	return strlen(path) > strlen("sys/devices");
}

/* The driver of the controller: the first one above that is not a kind of disk. */
static const char *find_driver(struct arena *a, const struct root *root, const char *device)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "%s", device);
	while (climb(path)) {
		const char *driver = attribute_link(a, root, "%s/driver", path);
		if (driver && strcmp(driver, "sd") && strcmp(driver, "sr"))
			return driver;
	}
	return NULL;
}

static const char *find_transport(
	struct arena *a, const struct root *root, const char *device, const char *name)
{
	/* The innermost wins: a USB disk hangs below PCI, an iSCSI one below a session. */
	static const struct {
		const char *part, *word;
	} table[] = {
		{ "/usb", "usb" },
		{ "/rport-", "fc" },
		{ "/session", "iscsi" },
		{ "/end_device-", "sas" },
		{ "/virtio", "virtio" },
		{ "/vbd-", "xen" },
		{ "/mmc_host/", "mmc" },
		{ "/VMBUS", "hyperv" },
		{ "/vmbus", "hyperv" },
		{ "/ata", "sata" },
		{ "/host", "scsi" },
	};

	if (starts(name, "nvme")) {
		const char *over = attribute_text(a, root, "sys/block/%s/device/transport", name);
		return !over || !strcmp(over, "pcie") ? "nvme" : arena_print(a, "nvme-%s", over);
	}
	if (starts(name, "dm-"))
		return "dm";
	if (starts(name, "md"))
		return "md";
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strstr(device, table[i].part))
			return table[i].word;
	}
	return NULL;
}

/* SCSI's page 0x80: four bytes of header, then the serial number. */
static const char *vpd_serial(struct arena *a, const struct root *root, const char *name)
{
	CLOSE_FD int fd = -1;
	char path[300];
	uint8_t page[256];
	size_t got = 0;
	struct err e;

	snprintf(path, sizeof path, "sys/block/%s/device/vpd_pg80", name);
	if (root_open_at(&fd, root, path, O_RDONLY, &e) ||
		file_read_some(&got, fd, page, sizeof page, &e) || got <= 4 || page[1] != 0x80)
		return NULL;
	const size_t len = page[3] < got - 4 ? page[3] : got - 4;
	char *text = arena_copy(a, str_trim((struct str){ (const char *)page + 4, len }));
	for (char *c = text; *c; c++) {
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
	return *text ? text : NULL;
}

static const char *find_serial(
	struct arena *a, const struct root *root, const struct block *b, const char *device)
{
	char path[PATH_SIZE];
	const char *serial;

	if ((serial = attribute_text(a, root, "sys/block/%s/serial", b->name)) ||
		(serial = attribute_text(a, root, "sys/block/%s/device/serial", b->name)) ||
		(serial = vpd_serial(a, root, b->name)))
		return serial;
	if (!b->transport || strcmp(b->transport, "usb"))
		return NULL;
	/* A stick keeps it in its USB descriptor, some levels above the disk. */
	snprintf(path, sizeof path, "%s", device);
	while (climb(path)) {
		if ((serial = attribute_text(a, root, "%s/serial", path)))
			return serial;
		/* This was the stick; above it are hubs, which have serials of their own. */
		if (attribute_text(a, root, "%s/idVendor", path))
			return NULL;
	}
	return NULL;
}

static const char *find_wwn(struct arena *a, const struct root *root, const char *name)
{
	const char *wwn = attribute_text(a, root, "sys/block/%s/wwid", name);

	if (!wwn)
		wwn = attribute_text(a, root, "sys/block/%s/device/wwid", name);
	/* "t10.ATA     MODEL    SERIAL" is no name of its own, only model and serial again. */
	return wwn && !starts(wwn, "t10.") ? wwn : NULL;
}

/* The value of KEY in the partition's uevent file, where the table's own names are. */
static const char *uevent_value(
	struct arena *a, const struct root *root, const char *path, const char *key)
{
	CLEAN_BUF struct buf b = BUF(16 * 1024);
	struct err e;
	struct str line, name, value;

	if (file_read(&b, root, path, &e))
		return NULL;
	struct str rest = buf_text(&b);
	while (str_next(&line, &rest, '\n')) {
		if (str_cut(&name, &value, line, '=') && str_is(name, key) && value.len)
			return arena_copy(a, value);
	}
	return NULL;
}

static void read_part(struct block_part *part, struct arena *a, const struct root *root,
	const char *disk, const char *name, uint64_t number)
{
	char uevent[600];

	snprintf(uevent, sizeof uevent, "sys/block/%s/%s/uevent", disk, name);
	*part = (struct block_part){
		.name = name,
		.number = (unsigned)number,
		.start = attribute_u64(0, root, "sys/block/%s/%s/start", disk, name) * SECTOR,
		.size = attribute_u64(0, root, "sys/block/%s/%s/size", disk, name) * SECTOR,
		.label = uevent_value(a, root, uevent, "PARTNAME"),
		.uuid = uevent_value(a, root, uevent, "PARTUUID"),
		.trouble = "not looked at",
	};
}

static void read_parts(struct block *b, struct arena *a, const struct root *root)
{
	char path[300];
	struct names names;
	struct err e = { 0 };

	snprintf(path, sizeof path, "sys/block/%s", b->name);
	if (names_read(&names, a, root, path, &e))
		return;
	b->parts = arena_array(a, names.n ? names.n : 1, sizeof *b->parts);
	for (size_t i = 0; i < names.n; i++) {
		if (!starts(names.v[i], b->name))
			continue;
		const uint64_t number =
			attribute_u64(0, root, "sys/block/%s/%s/partition", b->name, names.v[i]);
		if (number && number <= 0xffff)
			read_part(&b->parts[b->n_parts++], a, root, b->name, names.v[i], number);
	}
}

static void read_block(
	struct block *b, struct arena *a, const struct root *root, const char *name, uint64_t size)
{
	char device[PATH_SIZE];

	device_path(device, root, name);
	*b = (struct block){
		.name = name,
		.size = size,
		.alias = attribute_text(a, root, "sys/block/%s/dm/name", name),
		.model = attribute_text(a, root, "sys/block/%s/device/model", name),
		.transport = find_transport(a, root, device, name),
		.driver = find_driver(a, root, device),
		.wwn = find_wwn(a, root, name),
		.sector = (unsigned)attribute_u64(
			SECTOR, root, "sys/block/%s/queue/logical_block_size", name),
		.removable = attribute_u64(0, root, "sys/block/%s/removable", name) == 1,
		.read_only = attribute_u64(0, root, "sys/block/%s/ro", name) == 1,
		.rotational = attribute_u64(0, root, "sys/block/%s/queue/rotational", name) == 1,
		.optical = starts(name, "sr"),
		.paths = 1,
		.trouble = "not looked at",
	};
	b->serial = find_serial(a, root, b, device);
	read_parts(b, a, root);
}

/* Several plain disks of one WWN are several ways to one disk. */
static void count_paths(struct block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!blocks[i].wwn || !starts(blocks[i].name, "sd"))
			continue;
		for (size_t k = 0; k < n; k++) {
			if (k != i && blocks[k].wwn && starts(blocks[k].name, "sd") &&
				!strcmp(blocks[i].wwn, blocks[k].wwn))
				blocks[i].paths++;
		}
	}
}

int block_list(
	struct block **blocks, size_t *n, struct arena *a, const struct root *root, struct err *e)
{
	struct names names = { 0 };
	size_t count = 0;

	if (names_read(&names, a, root, "sys/block", e))
		return e->code;
	struct block *list = arena_array(a, names.n ? names.n : 1, sizeof *list);
	for (size_t i = 0; i < names.n; i++) {
		const uint64_t sectors = attribute_u64(0, root, "sys/block/%s/size", names.v[i]);
		/* Without a size it is an unused slot; an empty optical drive is still a drive. */
		if (is_ignored(names.v[i]) || (!sectors && !starts(names.v[i], "sr")))
			continue;
		read_block(&list[count++], a, root, names.v[i],
			sectors < UINT64_MAX / SECTOR ? sectors * SECTOR : 0);
	}
	count_paths(list, count);
	*blocks = list;
	*n = count;
	return 0;
}

const struct block *block_find(const struct block *blocks, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const struct block *b = &blocks[i];
		if (!strcmp(b->name, name))
			return b;
		for (size_t k = 0; k < b->n_parts; k++) {
			if (!strcmp(b->parts[k].name, name))
				return b;
		}
	}
	return NULL;
}
