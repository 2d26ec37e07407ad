/* The labelled volume: only what a person can pull out again, and only one. */
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "os/file.h"
#include "plan/file.h"
#include "plan/places.h"
#include "plan/signature.h"

/* Of the whole disk: a small partition does not make a stick of a big one. */
static const uint64_t max_usb = 4ull << 30;

/* Another system's files on the same volume; ours begins with this line. */
static const char user_data_mark[] = "#etcd-rescue";

enum { SECRET_MAX = 64 << 10 };

static const char *const paths[] = { "plan.yaml", "etcd-rescue/plan.yaml" };
static const char *const user_data_paths[] = { "user-data", "openstack/latest/user_data" };

static bool is_label(const char *label)
{
	return !strcasecmp(label, "RESCUE") || !strcasecmp(label, "CIDATA") ||
	       !strcasecmp(label, "config-2");
}

static bool is_wanted(const struct block *disk, const struct superblock *content)
{
	const bool is_usb = disk->transport && !strcmp(disk->transport, "usb");

	if (content->kind != SUPERBLOCK_ISO9660 && content->kind != SUPERBLOCK_VFAT &&
		content->kind != SUPERBLOCK_EXT2 && content->kind != SUPERBLOCK_EXT4)
		return false;
	return is_label(content->label) && (disk->optical || (is_usb && disk->size < max_usb));
}

static int read_at(struct candidate *c, const struct search *s, const struct root *volume,
	const char *path, const char *mark, struct err *e)
{
	struct arena *a = s->from->arena;
	CLEAN_BUF struct buf text = BUF(PLAN_FILE_MAX);
	CLEAN_BUF struct buf signature = BUF(SIGNATURE_MAX);
	const char *beside = arena_print(a, "%s.sig", path);

	if (!root_exists(volume, path) || file_read(&text, volume, path, e))
		return e->code;
	if (mark && !str_starts(buf_text(&text), str_from(mark)))
		return 0;
	c->there = true;
	c->text = (struct str){ arena_copy(a, buf_text(&text)), text.len };
	if (!s->wants_signature || !root_exists(volume, beside))
		return 0;
	if (file_read(&signature, volume, beside, e))
		return e->code;
	c->has_signature = true;
	c->signature = (struct str){ arena_copy(a, buf_text(&signature)), signature.len };
	return 0;
}

/* The first plan on this volume; a file of another system is not ours to complain about. */
static int read_volume(struct candidate *c, const struct search *s, const struct root *volume,
	const char *device, struct err *e)
{
	const char *const *const lists[] = { paths, user_data_paths };
	const char *const marks[] = { NULL, user_data_mark };

	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; i < 2 && !c->there; i++) {
			if (read_at(c, s, volume, lists[l][i], marks[l], e))
				return err_wrap(e, "%s", device);
			if (c->there)
				c->name = arena_print(s->from->arena, "%s:%s", device, lists[l][i]);
		}
	}
	return 0;
}

/* What a plan may point at and an image must not hold: files beside the plan, kept in memory, for
 * the volume may be pulled out afterwards.  `credentials: file` is the first of them, the others
 * are named by their path, file:/run/etcd-rescue/identity. */
static const char *const secrets[] = { "credentials", "identity", "secret", NULL };

static int keep_secret(
	const struct search *s, const struct root *volume, const char *name, struct err *e)
{
	const char *const files[] = { name, arena_print(s->from->arena, "etcd-rescue/%s", name) };
	CLEAN_BUF struct buf text = BUF(SECRET_MAX);
	CLOSE_FD int dir = -1;
	int status = 0;

	for (size_t i = 0; i < 2 && !text.len && !status; i++) {
		if (root_exists(volume, files[i]))
			status = file_read(&text, volume, files[i], e);
	}
	if (text.len && !status)
		status =
			root_open_at(&dir, s->from->root, "run/etcd-rescue", O_RDONLY | O_DIRECTORY,
				e) || file_replace(dir, name, buf_span(&text), 0600, e)
				? (int)e->code
				: 0;
	if (text.p)
		explicit_bzero(text.p, text.room);
	return status;
}

static int keep_secrets(const struct search *s, const struct root *volume, struct err *e)
{
	if (!root_exists(s->from->root, "etc/etcd-rescue/manifest"))
		return 0; /* not the image: nothing is written on a host */
	for (const char *const *name = secrets; *name; name++) {
		if (keep_secret(s, volume, *name, e))
			return e->code;
	}
	return 0;
}

static int look_at(struct candidate *c, const struct search *s, const char *device,
	const struct superblock *content, struct err *e)
{
	CLEAN_ROOT struct root volume = NO_ROOT;
	struct candidate found = { 0 };
	const char *where = arena_print(s->from->arena, "%s (%s)", device, content->label);

	found.where = where;
	if (s->peek) {
		found.there = true;
	} else {
		if (s->from->open_volume(s->from->ctx, &volume, device, content->kind, e))
			return err_wrap(e, "%s", where);
		if (read_volume(&found, s, &volume, device, e) ||
			(found.there && keep_secrets(s, &volume, e)))
			return e->code;
	}
	if (!found.there)
		return 0;
	/* Whoever leaves a stick in a machine must not be able to replace the plan on another. */
	if (c->there && !s->peek)
		return err_set(e, ERR_DECLINED, "%s and %s both hold a plan; take one of them out",
			c->where, where);
	*c = found;
	return 0;
}

int place_volume(struct candidate *c, const struct search *s, struct err *e)
{
	for (size_t i = 0; i < s->from->n_blocks; i++) {
		const struct block *disk = &s->from->blocks[i];
		/* A hybrid image has the same file system on the disk and in its partition. */
		if (is_wanted(disk, &disk->content)) {
			if (look_at(c, s, disk->name, &disk->content, e))
				return e->code;
			continue;
		}
		for (size_t k = 0; k < disk->n_parts; k++) {
			const struct block_part *part = &disk->parts[k];
			if (is_wanted(disk, &part->content) &&
				look_at(c, s, part->name, &part->content, e))
				return e->code;
		}
	}
	return 0;
}
