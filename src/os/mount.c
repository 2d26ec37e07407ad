#include "os/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"

/* linux/mount.h, which not every C library brings. */
enum { FSOPEN_CLOEXEC_ = 1, FSMOUNT_CLOEXEC_ = 1 };
enum { CONFIG_FLAG = 0, CONFIG_STRING = 1, CONFIG_CREATE = 6 };
enum { ATTR_RDONLY = 1, ATTR_NOSUID = 2, ATTR_NODEV = 4, ATTR_NOEXEC = 8 };

static const struct {
	enum superblock_kind kind;
	const char *type;
	const char *still[2];  /* so that nothing is replayed: "name" or "name=value" */
	const char *always[1]; /* a clone has the UUID of what it is a clone of */
} table[] = {
	{ SUPERBLOCK_EXT2, "ext4", { NULL }, { NULL } },
	{ SUPERBLOCK_EXT3, "ext4", { "noload" }, { NULL } },
	{ SUPERBLOCK_EXT4, "ext4", { "noload" }, { NULL } },
	{ SUPERBLOCK_XFS, "xfs", { "norecovery" }, { "nouuid" } },
	{ SUPERBLOCK_BTRFS, "btrfs", { "rescue=nologreplay" }, { NULL } },
	{ SUPERBLOCK_F2FS, "f2fs", { "norecovery" }, { NULL } },
	{ SUPERBLOCK_VFAT, "vfat", { NULL }, { NULL } },
	{ SUPERBLOCK_EXFAT, "exfat", { NULL }, { NULL } },
	{ SUPERBLOCK_NTFS, "ntfs3", { NULL }, { NULL } },
	{ SUPERBLOCK_ISO9660, "iso9660", { NULL }, { NULL } },
	{ SUPERBLOCK_UDF, "udf", { NULL }, { NULL } },
	{ SUPERBLOCK_SQUASHFS, "squashfs", { NULL }, { NULL } },
};

enum { N = sizeof table / sizeof *table };

bool mount_possible(enum superblock_kind kind)
{
	for (size_t i = 0; i < N; i++) {
		if (table[i].kind == kind)
			return true;
	}
	return false;
}

static int config(int fs, int command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static int option(int fs, const char *text)
{
	char name[64];
	const char *equals = text ? strchr(text, '=') : NULL;

	if (!text)
		return 0;
	if (!equals)
		return config(fs, CONFIG_FLAG, text, NULL);
	snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
	return config(fs, CONFIG_STRING, name, equals + 1);
}

/* The kernel's own words where it has some: "e ext4: ...", else errno's. */
static int kernel_says(struct err *e, int fs, const char *type, const char *device)
{
	const int number = errno;
	char said[256];
	const ssize_t n = read(fs, said, sizeof said - 1);

	errno = number;
	if (n < 3)
		return err_sys(e, "%s as %s", device, type);
	said[n] = 0;
	if (number == EROFS)
		return err_set(e, ERR_IO, "%s as %s: %s (it needs its journal, or is read-only)",
			device, type, said + 2);
	return err_set(e, ERR_IO, "%s as %s: %s", device, type, said + 2);
}

int mount_open(struct root *mounted, const struct root *root, const char *device,
	enum superblock_kind kind, enum mount_journal journal, struct err *e)
{
	CLOSE_FD int fs = -1;
	CLOSE_FD int disk = -1;
	struct stat st;
	char source[64];
	size_t i = 0;

	while (i < N && table[i].kind != kind)
		i++;
	if (i == N)
		return err_set(e, ERR_UNSUPPORTED, "%s: %s on it, which is no file system", device,
			superblock_word(kind) ? superblock_word(kind) : "nothing known is");
	const char *type = table[i].type;
	if (root_open_at(&disk, root, device, O_PATH, e))
		return e->code;
	if (fstat(disk, &st) || !S_ISBLK(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s: is no disk", device);
	snprintf(source, sizeof source, "/proc/self/fd/%d", disk);

	fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC_);
	if (fs < 0 && errno == ENODEV)
		return err_set(
			e, ERR_UNSUPPORTED, "%s: this kernel has no driver for %s", device, type);
	if (fs < 0)
		return err_sys(e, "%s as %s", device, type);
	const bool writable = journal == MOUNT_WRITE;
	int bad = config(fs, CONFIG_STRING, "source", source) ||
		  config(fs, CONFIG_FLAG, writable ? "rw" : "ro", NULL) ||
		  option(fs, table[i].always[0]);
	for (size_t k = 0; !bad && journal == MOUNT_AS_IT_IS && k < 2; k++)
		bad = option(fs, table[i].still[k]);
	if (bad || config(fs, CONFIG_CREATE, NULL, NULL))
		return kernel_says(e, fs, type, device);
	mounted->fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC_,
		(writable ? 0 : ATTR_RDONLY) | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC);
	return mounted->fd < 0 ? kernel_says(e, fs, type, device) : 0;
}

int mount_memory(struct root *mounted, uint64_t bytes, struct err *e)
{
	CLOSE_FD int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC_);
	char size[32];

	snprintf(size, sizeof size, "%" PRIu64, bytes);
	if (fs < 0 || config(fs, CONFIG_STRING, "size", size) ||
		config(fs, CONFIG_STRING, "mode", "0700") || config(fs, CONFIG_CREATE, NULL, NULL))
		return err_sys(e, "a file system in memory");
	mounted->fd = (int)syscall(
		SYS_fsmount, fs, FSMOUNT_CLOEXEC_, ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC);
	return mounted->fd < 0 ? err_sys(e, "a file system in memory") : 0;
}
