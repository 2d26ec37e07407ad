#include "plan/reach.h"

#include <stdio.h>
#include <string.h>

#include "net/http.h"
#include "node/anchors.h"
#include "os/mount.h"

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

int reach_volume(void *ctx, struct root *volume, const char *device, enum superblock_kind kind,
	struct err *e)
{
	const struct reach *reach = ctx;
	char path[PATH];

	if (strchr(device, '/') || device[0] == '.')
		return err_set(e, ERR_BUG, "%s: not a device to mount", device);
	snprintf(path, sizeof path, "/dev/%s", device);
	return mount_open(volume, reach->root, path, kind, MOUNT_AS_IT_IS, e);
}
