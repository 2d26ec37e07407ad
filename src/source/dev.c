/* Disks of this machine as places of snapshots: by device, or by the label of a file system.
 *
 *   dev:/dev/NAME[:/PATH]    label:LABEL[:/PATH]
 *
 * The file system is mounted when something is first asked of it, read-only and for us alone,
 * its journal left as it is: it is somebody's disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/block.h"
#include "os/file.h"
#include "os/mount.h"
#include "source/local.h"

enum { ARENA_BYTES = 16 << 20, ADDRESS_BYTES = 4096, PROBE_MS = 20000, SHOWN = 300 };

struct place {
	struct source base;
	struct arena arena;
	const char *what; /* "/dev/sdb1", or a label */
	const char *path; /* on the file system */
	struct root mounted;
	struct local local;
};

struct found {
	const char *device; /* "/dev/sdb1" */
	enum superblock_kind kind;
};

static void close_place(struct source *source)
{
	struct place *p = (struct place *)source;
	struct arena all = p->arena; /* and the place in it */

	root_close(&p->mounted);
	arena_free(&all);
}

static int open_any(struct source **source, const struct source_settings *settings,
	const char *scheme, struct err *e)
{
	struct arena arena = ARENA(ARENA_BYTES);
	struct str rest = str_from(settings->url);
	size_t at = 0;

	rest = (struct str){ rest.p + strlen(scheme), rest.len - strlen(scheme) };
	if (!rest.len || rest.len > ADDRESS_BYTES)
		return err_set(e, ERR_USAGE, "%s is followed by %s", scheme,
			*scheme == 'd' ? "a device, as in dev:/dev/sdb1:/backup"
				       : "the label of a file system, as in label:BACKUP:/etcd");
	struct place *p = arena_alloc(&arena, sizeof *p);
	const bool has_path = str_find(&at, rest, STR(":/"));
	p->what = arena_copy(&arena, has_path ? (struct str){ rest.p, at } : rest);
	p->path = has_path ? arena_copy(&arena, (struct str){ rest.p + at + 1, rest.len - at - 1 })
			   : "/";
	p->mounted = NO_ROOT;
	p->base.settings = settings;
	p->local = (struct local){ &p->mounted, p->path,
		arena_print(&arena, "%s%s:", scheme, p->what), settings->listener };
	p->arena = arena;
	if (!*p->what) {
		close_place(&p->base);
		return err_set(e, ERR_USAGE, "%s nothing is named before the path", scheme);
	}
	*source = &p->base;
	return 0;
}

static int open_dev(struct source **source, const struct source_settings *settings, struct err *e)
{
	if (settings->url[4] && settings->url[4] != '/')
		return err_set(e, ERR_USAGE, "dev: is followed by a path, as in dev:/dev/%.40s",
			settings->url + 4);
	return open_any(source, settings, "dev:", e);
}

static int open_label(struct source **source, const struct source_settings *settings, struct err *e)
{
	return open_any(source, settings, "label:", e);
}

/* "sda1 (ext4 'root'), sdb (no medium in the drive)" */
struct looked {
	char text[SHOWN];
	size_t at;
};

static void say_looked(struct looked *looked, const char *name, const struct superblock *content,
	const char *trouble)
{
	const char *word = superblock_word(content->kind);
	const size_t left = sizeof looked->text - looked->at;
	const bool label = !trouble && *content->label;

	if (!trouble && !word)
		word = content->table ? "a partition table" : "nothing known";
	const int len = snprintf(looked->text + looked->at, left, "%s%s (%.60s%s%.40s%s)",
		looked->at ? ", " : "", name, trouble ? trouble : word, label ? " '" : "",
		label ? content->label : "", label ? "'" : "");
	if (len > 0)
		looked->at += (size_t)len < left ? (size_t)len : left - 1;
}

/* The characters a label can have differ: FAT knows no small letters. */
static bool is_labelled(const struct superblock *content, const char *label)
{
	return mount_possible(content->kind) &&
	       (content->kind == SUPERBLOCK_VFAT ? !strcasecmp(content->label, label)
						 : !strcmp(content->label, label));
}

struct search {
	struct place *place;
	struct found found;
	struct looked looked;
};

static int consider(struct search *s, const char *name, const struct superblock *content,
	const char *trouble, struct err *e)
{
	say_looked(&s->looked, name, content, trouble);
	if (trouble || !is_labelled(content, s->place->what))
		return 0;
	/* Two with one label: which is the backup cannot be told, and the wrong one may be planted.
	 */
	if (s->found.device)
		return err_set(e, ERR_DECLINED,
			"%s and /dev/%s both have the label '%s'; say which one: dev:/dev/%s",
			s->found.device, name, s->place->what, name);
	s->found.device = arena_print(&s->place->arena, "/dev/%s", name);
	s->found.kind = content->kind;
	return 0;
}

static int find_label(struct found *found, struct place *p, struct err *e)
{
	struct search s = { .place = p };
	struct block *disks;
	size_t n;

	if (block_list(&disks, &n, &p->arena, p->base.settings->root, e))
		return e->code;
	block_probe(disks, n, &p->arena, p->base.settings->root, PROBE_MS);
	for (size_t i = 0; i < n; i++) {
		const struct block *d = &disks[i];
		if (consider(&s, d->name, &d->content, d->trouble, e))
			return e->code;
		/* A hybrid image has the same file system on the disk and in its partition. */
		const bool whole = !d->trouble && is_labelled(&d->content, p->what);
		for (size_t k = 0; k < d->n_parts && !whole; k++) {
			const struct block_part *part = &d->parts[k];
			if (consider(&s, part->name, &part->content, part->trouble, e))
				return e->code;
		}
	}
	if (!s.found.device && geteuid())
		return err_set(e, ERR_NOTFOUND,
			"no file system labelled '%s' was seen; only root can look at disks: run "
			"as root",
			p->what);
	if (!s.found.device)
		return err_set(e, ERR_NOTFOUND, "no file system labelled '%s'; there are %s",
			p->what, s.looked.at ? s.looked.text : "no disks");
	*found = s.found;
	return 0;
}

/* What is on the partitions of a disk that was named as a whole. */
static int name_partitions(struct place *p, const struct superblock *content, struct err *e)
{
	const struct root *root = p->base.settings->root;
	const char *slash = strrchr(p->what, '/');
	struct looked looked = { .at = 0 };
	struct block *disks;
	struct err why;
	size_t n = 0;

	if (block_list(&disks, &n, &p->arena, root, &why))
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct block *d = &disks[i];
		if (strcmp(d->name, slash ? slash + 1 : p->what) != 0)
			continue;
		block_probe(d, 1, &p->arena, root, PROBE_MS);
		for (size_t k = 0; k < d->n_parts; k++)
			say_looked(&looked, d->parts[k].name, &d->parts[k].content,
				d->parts[k].trouble);
	}
	const char *word = superblock_word(content->kind);
	return err_set(e, ERR_NOTFOUND, "%s: there is no file system on it but %s%s%s", p->what,
		word             ? word
		: content->table ? "a partition table"
				 : "nothing that is known",
		looked.at ? "; its partitions are " : "", looked.text);
}

static int find_dev(struct found *found, struct place *p, struct err *e)
{
	const struct root *root = p->base.settings->root;
	struct superblock content = { 0 };
	CLOSE_FD int fd = -1;
	struct stat st;

	if (local_try(root, p->what, PROBE_MS, e) || root_open_at(&fd, root, p->what, O_PATH, e))
		return e->code;
	if (fstat(fd, &st) || !S_ISBLK(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s: is no disk; for a file write file:%s", p->what,
			p->what);
	file_close(&fd);
	if (root_open_at(&fd, root, p->what, O_RDONLY | O_NOCTTY, e)) {
		if (e->errnum == EACCES || e->errnum == EPERM)
			return err_set(e, ERR_AUTH, "%s: only root can look at disks: run as root",
				p->what);
		if (e->errnum == ENOMEDIUM)
			return err_set(e, ERR_NOTFOUND, "%s: no medium in the drive", p->what);
		return e->code;
	}
	const off_t size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return err_sys(e, "%s", p->what);
	/* The end of an optical medium is slow to reach and often cannot be read. */
	const bool optical = major(st.st_rdev) == SCSI_CDROM_MAJOR;
	if (superblock_probe_fd(&content, fd, (uint64_t)size, optical, e))
		return err_wrap(e, "%s", p->what);
	if (!mount_possible(content.kind))
		return name_partitions(p, &content, e);
	*found = (struct found){ p->what, content.kind };
	return 0;
}

static int mount_place(struct place *p, struct err *e)
{
	const struct arena_mark mark = arena_mark(&p->arena);
	const struct source_settings *s = p->base.settings;
	struct found found;

	if (p->mounted.fd >= 0)
		return 0;
	int result =
		p->base.kind == &source_dev ? find_dev(&found, p, e) : find_label(&found, p, e);
	if (!result &&
		mount_open(&p->mounted, s->root, found.device, found.kind, MOUNT_AS_IT_IS, e)) {
		result = e->code;
		if ((e->errnum == EPERM || e->errnum == EACCES) && geteuid())
			result = err_set(
				e, ERR_AUTH, "%s: only root can mount: run as root", found.device);
		else if (e->errnum == EBUSY)
			result = err_set(e, ERR_IO,
				"%s is mounted here already, for writing; give the path where it "
				"is as file:PATH",
				found.device);
	}
	if (!result)
		event_debug(s->listener, "source", "%s is mounted, %s, read-only", found.device,
			superblock_word(found.kind));
	arena_release(&p->arena, mark);
	return result;
}

static int list_place(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct place *p = (struct place *)source;

	if (mount_place(p, e))
		return e->code;
	if (local_list(objects, a, &p->local, e))
		return err_wrap(e, "%s", p->what);
	return 0;
}

static int read_place(struct source *source, struct stream *stream,
	const struct source_object *object, struct err *e)
{
	struct place *p = (struct place *)source;

	if (mount_place(p, e))
		return e->code;
	if (local_read(stream, &p->local, object->url, e))
		return err_wrap(e, "%s", p->what);
	return 0;
}

const struct source_kind source_dev = { "dev", open_dev, list_place, read_place, close_place };
const struct source_kind source_label = { "label", open_label, list_place, read_place,
	close_place };
