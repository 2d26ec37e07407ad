#include "plan/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/http.h"
#include "node/anchors.h"
#include "os/file.h"

enum { DEADLINE_MS = 60000, PATH = 128 };

void reach_start(struct reach *reach, const struct root *root, const char *proxy)
{
	*reach = (struct reach){ .root = root, .proxy = proxy, .anchors = BUF(NODE_ANCHORS_MAX) };
}

void reach_free(struct reach *reach)
{
	buf_free(&reach->anchors);
	reach->has_anchors = false;
}

int reach_fetch(void *ctx, struct buf *out, const char *url, struct err *e)
{
	struct reach *reach = ctx;
	struct http_response response;
	struct trust trust = { 0 };

	if (!reach->has_anchors && node_anchors_load(&reach->anchors, reach->root, e))
		return e->code;
	reach->has_anchors = true;
	trust.anchors = buf_span(&reach->anchors);
	const struct http_request request = { .url = url, .trust = &trust, .proxy = reach->proxy };
	return http_get_buf(out, &response, &request, DEADLINE_MS, e);
}

/* "ro" alone still replays a journal, which writes to a medium somebody pulled out in a hurry. */
static int leave_journal(int fs, enum superblock_kind kind)
{
	switch (kind) {
	case SUPERBLOCK_EXT3:
	case SUPERBLOCK_EXT4:
		return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "noload", NULL, 0);
	case SUPERBLOCK_XFS:
		return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "norecovery", NULL, 0);
	case SUPERBLOCK_BTRFS:
		return (int)syscall(
			SYS_fsconfig, fs, FSCONFIG_SET_STRING, "rescue", "nologreplay", 0);
	default:
		return 0;
	}
}

/* The file system of a device, not attached anywhere: its root's descriptor. */
static int mount_detached(enum superblock_kind kind, const char *source)
{
	CLOSE_FD int fs = (int)syscall(SYS_fsopen, superblock_word(kind), FSOPEN_CLOEXEC);

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0) ||
		syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) ||
		leave_journal(fs, kind) ||
		syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -1;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int reach_volume(void *ctx, struct root *volume, const char *device, enum superblock_kind kind,
	struct err *e)
{
	const char *type = superblock_word(kind);
	char source[PATH];

	(void)ctx;
	if (!type || strchr(device, '/') || device[0] == '.')
		return err_set(e, ERR_BUG, "%s: not a device to mount", device);
	snprintf(source, sizeof source, "/dev/%s", device);
	const int fd = mount_detached(kind, source);
	if (fd < 0)
		return err_sys(e, "mount of %s as %s", source, type);
	volume->fd = fd;
	return 0;
}
