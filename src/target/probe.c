#include "target/probe.h"

#include <string.h>
#include <strings.h>

/* What a kind that cannot be mounted would need first. */
static const char *needs(enum superblock_kind kind, bool *locked)
{
	*locked = true;
	switch (kind) {
	case SUPERBLOCK_LUKS1:
	case SUPERBLOCK_LUKS2:
		return "it is locked; in the image it is opened when a key is found (cryptsetup "
		       "open)";
	case SUPERBLOCK_LVM2:
		return "its volume group is not active; in the image it is (lvm vgchange -ay)";
	case SUPERBLOCK_MD:
		return "its array is not assembled; in the image it is (mdadm --assemble "
		       "--readonly)";
	case SUPERBLOCK_IMSM:
		return "firmware RAID of Intel, which is not assembled here";
	case SUPERBLOCK_BCACHE:
		return "it needs registering with bcache, which is not done here";
	default:
		*locked = false;
		return "no file system";
	}
}

/* A disk that is reached in two ways is looked at once. */
static const struct block *same_disk(const struct block *blocks, size_t i)
{
	for (size_t k = 0; k < i && blocks[i].wwn && blocks[i].paths > 1; k++) {
		if (blocks[k].wwn && !strcmp(blocks[k].wwn, blocks[i].wwn))
			return &blocks[k];
	}
	return NULL;
}

static bool is_own_member(const struct block *disk)
{
	const enum superblock_kind kind = disk->content.kind;

	return kind == SUPERBLOCK_MD || kind == SUPERBLOCK_IMSM;
}

static void look(struct target_volume *v, struct arena *a, const struct root *machine,
	const char *trouble, const struct block *other)
{
	const char *word = superblock_word(v->content->kind);
	struct err e = { 0 };

	v->root = NO_ROOT;
	v->twin = other;
	if (other)
		v->why = arena_print(a, "another path to %s", other->name);
	else if (trouble)
		v->why = arena_copy(a, str_from(trouble));
	else if (!mount_possible(v->content->kind))
		v->why = arena_print(a, "%s%s%s", word ? word : "", word ? ": " : "",
			needs(v->content->kind, &v->locked));
	else if (mount_open(&v->root, machine, arena_print(a, "/dev/%s", v->name), v->content->kind,
			 MOUNT_AS_IT_IS, &e))
		v->why = arena_copy(a, str_from(e.text));
	/* What could not be read may be the one that is looked for. */
	v->locked = v->locked || (v->why && !other && (trouble || e.code));
}

void target_probe(struct target_volumes *volumes, struct arena *a, const struct root *machine,
	const struct block *blocks, size_t n)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += 1 + blocks[i].n_parts;
	*volumes = (struct target_volumes){ arena_array(a, room + 1, sizeof *volumes->v), 0 };
	for (size_t i = 0; i < n; i++) {
		const struct block *b = &blocks[i];
		const struct block *other = same_disk(blocks, i);
		/* A disk with a partition table has its content in the partitions; one with
		 * neither is blank. */
		const bool whole = b->trouble || b->content.kind != SUPERBLOCK_NONE;
		if (whole && (!b->n_parts || is_own_member(b))) {
			struct target_volume *v = &volumes->v[volumes->n++];
			*v = (struct target_volume){
				.name = b->name, .disk = b, .content = &b->content, .size = b->size
			};
			look(v, a, machine, b->trouble, other);
		}
		for (size_t k = 0; k < b->n_parts; k++) {
			const struct block_part *p = &b->parts[k];
			struct target_volume *v = &volumes->v[volumes->n++];
			*v = (struct target_volume){
				.name = p->name, .disk = b, .content = &p->content, .size = p->size
			};
			look(v, a, machine, p->trouble, other);
		}
	}
}

void target_probe_close(struct target_volumes *volumes)
{
	for (size_t i = 0; i < volumes->n; i++)
		root_close(&volumes->v[i].root);
}

static const struct block_part *part_of(const struct target_volume *v)
{
	for (size_t i = 0; i < v->disk->n_parts; i++) {
		if (v->name == v->disk->parts[i].name)
			return &v->disk->parts[i];
	}
	return NULL;
}

/* "/dev/mapper/vg-lv", "/dev/vg/lv", "/dev/sda2" */
static bool is_named(const struct target_volume *v, struct str path)
{
	const char *alias = v->name == v->disk->name ? v->disk->alias : NULL;
	struct str vg, lv;

	if (str_is(path, v->name))
		return true;
	if (!alias || !str_cut(&vg, &lv, path, '/'))
		return false;
	if (str_is(vg, "mapper"))
		return str_is(lv, alias);
	/* device-mapper doubles the hyphens inside of both names */
	const char *p = alias;
	for (size_t i = 0; i < path.len; i++) {
		const char c = path.p[i];
		if (*p++ != (c == '/' ? '-' : c) || (c == '-' && *p++ != '-'))
			return false;
	}
	return !*p;
}

static bool is_device(const struct target_volume *v, const char *device)
{
	struct str key, value;
	const struct block_part *part = part_of(v);

	if (!strncmp(device, "/dev/", 5))
		return is_named(v, str_from(device + 5));
	if (!str_cut(&key, &value, str_from(device), '=') || !value.len)
		return false;
	const char *text = str_is(key, "UUID")        ? v->content->uuid
			   : str_is(key, "LABEL")     ? v->content->label
			   : !part                    ? NULL
			   : str_is(key, "PARTUUID")  ? part->uuid
			   : str_is(key, "PARTLABEL") ? part->label
						      : NULL;
	const bool is_label = str_ends(key, STR("LABEL"));

	return text &&
	       (is_label ? str_is(value, text)
			 : strlen(text) == value.len && !strncasecmp(text, value.p, value.len));
}

const struct target_volume *target_probe_find(
	const struct target_volumes *volumes, const char *device)
{
	const struct target_volume *found = NULL;

	for (size_t i = 0; i < volumes->n; i++) {
		const struct target_volume *v = &volumes->v[i];
		if (v->twin || v->content->kind == SUPERBLOCK_NONE || !is_device(v, device))
			continue;
		if (found)
			return NULL;
		found = v;
	}
	return found;
}
