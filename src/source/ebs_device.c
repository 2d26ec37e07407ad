#include "source/ebs_device.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/monotonic.h"
#include "os/mount.h"

enum { PROBE_MS = 60000, SETTLE_MS = 10000, LOOK_MS = 250, SHOWN_MAX = 300 };

static bool has_serial_of(const struct block *b, const char *volume)
{
	char wanted[64];
	size_t n = 0;

	for (const char *c = volume; *c && n < sizeof wanted - 1; c++) {
		if (*c != '-')
			wanted[n++] = *c;
	}
	wanted[n] = 0;
	return b->serial && (!strcasecmp(b->serial, wanted) || !strcasecmp(b->serial, volume));
}

static bool was_there(const char *name, const struct ebs_disk *disk)
{
	for (size_t i = 0; i < disk->n_before; i++) {
		if (!strcmp(disk->before[i].name, name))
			return true;
	}
	return false;
}

static bool has_letters_of(const char *name, const char *device)
{
	const char *slash = strrchr(device, '/');
	const char *asked = slash ? slash + 1 : device;

	asked += !strncmp(asked, "sd", 2) ? 2 : !strncmp(asked, "xvd", 3) ? 3 : 0;
	return !strcmp(name + 3, asked);
}

const struct block *ebs_disk_among(
	bool *several, const struct block *v, size_t n, const struct ebs_disk *disk)
{
	const struct block *found = NULL, *named = NULL;
	size_t n_found = 0;

	*several = false;
	for (size_t i = 0; i < n; i++) {
		if (has_serial_of(&v[i], disk->volume))
			return &v[i];
	}
	for (size_t i = 0; i < n; i++) {
		if (strncmp(v[i].name, "xvd", 3) || v[i].serial || was_there(v[i].name, disk) ||
			v[i].size != disk->size)
			continue;
		n_found++;
		found = &v[i];
		if (has_letters_of(v[i].name, disk->device))
			named = &v[i];
	}
	*several = n_found > 1 && !named;
	return n_found == 1 ? found : named;
}

int ebs_disk_find(const char **name, struct arena *a, const struct root *root,
	const struct ebs_disk *disk, unsigned limit_ms, struct err *e)
{
	const int64_t end = monotonic_ms() + limit_ms;
	bool several = false;

	for (;;) {
		const struct arena_mark mark = arena_mark(a);
		struct block *v;
		size_t n;
		if (block_list(&v, &n, a, root, e))
			return e->code;
		const struct block *b = ebs_disk_among(&several, v, n, disk);
		if (b) {
			*name = b->name;
			return 0;
		}
		arena_release(a, mark);
		if (monotonic_ms() >= end)
			break;
		nanosleep(&(struct timespec){ 0, LOOK_MS * 1000000 }, NULL);
	}
	if (several)
		return err_set(e, ERR_DECLINED,
			"several new disks of %ju bytes have come, and none tells that it is %s",
			(uintmax_t)disk->size, disk->volume);
	return err_set(e, ERR_IO,
		"volume %s is attached as %s, but no disk with its serial number has come within "
		"%u s; "
		"is the nvme driver there? (etcd-rescue boot shows the disks)",
		disk->volume, disk->device, limit_ms / 1000);
}

struct candidate {
	const char *name;
	const struct superblock *content;
	const char *trouble;
};

/* The disk's own file system, then its partitions'. */
static size_t candidates(struct candidate **v, struct arena *a, const struct block *disk)
{
	size_t n = 0;

	*v = arena_array(a, disk->n_parts + 1, sizeof **v);
	(*v)[n++] = (struct candidate){ disk->name, &disk->content, disk->trouble };
	for (size_t i = 0; i < disk->n_parts; i++)
		(*v)[n++] = (struct candidate){ disk->parts[i].name, &disk->parts[i].content,
			disk->parts[i].trouble };
	return n;
}

static const char *what_is_there(struct arena *a, const struct candidate *v, size_t n)
{
	char text[SHOWN_MAX] = "";
	size_t at = 0;

	for (size_t i = 0; i < n && at < sizeof text; i++) {
		const char *word = superblock_word(v[i].content->kind);
		const int len =
			snprintf(text + at, sizeof text - at, "%s%s: %s", i ? ", " : "", v[i].name,
				v[i].trouble          ? v[i].trouble
				: word                ? word
				: v[i].content->table ? "a partition table"
						      : "nothing known");
		at += len > 0 ? (size_t)len : 0;
	}
	return arena_copy(a, str_from(text));
}

static bool has(const struct root *mounted, const char *path)
{
	return root_exists(mounted, path) > 0;
}

/* The kernel shows a disk before it has read its partition table, and partitions before their
 * nodes are there. */
static bool is_settled(const struct block *disk)
{
	for (size_t i = 0; i < disk->n_parts; i++) {
		if (disk->parts[i].trouble)
			return false;
	}
	return !disk->trouble &&
	       (disk->n_parts || !disk->content.table || mount_possible(disk->content.kind));
}

static int look_at_disk(struct block **disk, struct arena *a, const struct root *root,
	const char *name, struct err *e)
{
	const int64_t end = monotonic_ms() + SETTLE_MS;
	struct block *all;
	size_t n;

	for (;;) {
		const struct arena_mark mark = arena_mark(a);
		*disk = NULL;
		if (block_list(&all, &n, a, root, e))
			return e->code;
		for (size_t i = 0; i < n; i++)
			*disk = !strcmp(all[i].name, name) ? &all[i] : *disk;
		if (!*disk)
			return err_set(e, ERR_NOTFOUND, "disk %s has gone", name);
		block_probe(*disk, 1, a, root, PROBE_MS);
		if (is_settled(*disk) || monotonic_ms() >= end)
			return 0;
		arena_release(a, mark);
		nanosleep(&(struct timespec){ 0, LOOK_MS * 1000000 }, NULL);
	}
}

int ebs_disk_mount(struct root *mounted, const char **where, struct arena *a,
	const struct root *root, const char *name, const char *path, struct err *e)
{
	struct block *disk = NULL;
	struct candidate *v;
	struct err why = { 0 };
	bool any = false;

	if (look_at_disk(&disk, a, root, name, e) || !disk)
		return e->code;
	const size_t n = candidates(&v, a, disk);
	*mounted = NO_ROOT;
	for (size_t i = 0; i < n; i++) {
		struct root one = NO_ROOT;
		char device[64];
		if (v[i].trouble || !mount_possible(v[i].content->kind))
			continue;
		snprintf(device, sizeof device, "/dev/%s", v[i].name);
		any = true;
		if (mount_open(&one, root, device, v[i].content->kind, MOUNT_REPLAY, &why))
			continue;
		const bool fits = !path || !*path || has(&one, path);
		const bool best =
			fits && (has(&one, "/snapshot.db") || has(&one, "/snapshot-events.db"));
		if (!fits && !why.code)
			err_set(&why, ERR_NOTFOUND, "%s: no %s on its file system", v[i].name,
				path);
		if (fits && (best || mounted->fd < 0)) {
			root_close(mounted);
			*mounted = one;
			*where = arena_print(
				a, "%s (%s)", v[i].name, superblock_word(v[i].content->kind));
		} else {
			root_close(&one);
		}
		if (best)
			break;
	}
	if (mounted->fd >= 0)
		return 0;
	if (any) {
		*e = why;
		return e->code;
	}
	return err_set(e, ERR_NOTFOUND, "no file system that can be mounted here is on it (%s)",
		what_is_there(a, v, n));
}
