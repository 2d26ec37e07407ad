/* Snapshots of EBS volumes: which there are, and the files on one of them.
 *
 * Reading goes through a volume of our own (source/ebs_volume.h).  The other way, the blocks
 * of the snapshot through EBS direct (ListSnapshotBlocks, GetSnapshotBlock), needs no volume
 * and no attaching, but: somewhere to put all used blocks of a file system of any size while
 * nothing on the target may be touched yet, a loop device for the journal to be replayed on,
 * two rights that are in no managed policy, and a fee for each 512 KiB.  A volume costs a
 * minute and fractions of a cent.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "net/imds.h"
#include "os/file.h"
#include "source/credentials.h"
#include "source/ebs_device.h"
#include "source/ebs_volume.h"
#include "source/local.h"

enum { ARENA_MAX = 128 << 20, APPEAR_MS = 60000, VOLUMES_A_CALL = 100 };

struct ebs {
	struct source source;
	struct credentials_settings ways;
	struct credentials credentials;
	struct ec2 ec2;
	struct imds_identity here; /* instance empty: not asked yet */
	bool connected;
	char id[EC2_ID];  /* snap-.. or vol-.., empty: by tags */
	const char *path; /* on the snapshot; empty: all of it */
	/* what is open of it */
	struct ebs_volume volume;
	struct root mounted;
	struct local files;
	int lock;
	struct err trouble; /* why attaching did not work: it is not tried twice */
	struct arena arena;
};

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static int ebs_open(struct source **source, const struct source_settings *settings, struct err *e)
{
	struct str rest = str_from(settings->url), id, path;

	if (!str_cut(&id, &rest, rest, ':'))
		rest = (struct str){ 0 };
	str_cut(&id, &path, rest, ':');
	bool well = id.len < EC2_ID;
	for (size_t i = 0; i < id.len; i++)
		well = well && (id.p[i] == '-' || (id.p[i] >= '0' && id.p[i] <= '9') ||
				       (id.p[i] >= 'a' && id.p[i] <= 'z'));
	if (!well || (id.len && !(str_starts(id, STR("snap-")) || str_starts(id, STR("vol-")))) ||
		(path.len && (path.p[0] != '/' || !str_starts(id, STR("snap-")))))
		return err_set(e, ERR_USAGE,
			"an EBS address is ebs: with tags in the settings, ebs:vol-.., or "
			"ebs:snap-..[:/PATH]");
	if (!id.len && !settings->ebs.n_tags)
		return err_set(e, ERR_USAGE,
			"ebs: needs tags to find snapshots by; give them (ebs.tags), or name one: "
			"ebs:snap-..");
	struct arena arena = ARENA(ARENA_MAX);
	struct ebs *ebs = arena_alloc(&arena, sizeof *ebs);
	ebs->arena = arena;
	snprintf(ebs->id, sizeof ebs->id, "%.*s", STR_ARG(id));
	ebs->path = arena_copy(&ebs->arena, path);
	ebs->mounted = NO_ROOT;
	ebs->lock = -1;
	ebs->source.settings = settings;
	*source = &ebs->source;
	return 0;
}

static int who_are_we(struct ebs *ebs, struct err *e)
{
	struct imds imds;

	if (*ebs->here.instance)
		return 0;
	if (imds_open(&imds, NULL, e))
		return e->code;
	const int bad = imds_identity(&ebs->here, &imds, e);
	imds_close(&imds);
	return bad;
}

/* Listing works from anywhere that is told a region; reading is for instances alone. */
static int connect_ec2(struct ebs *ebs, struct err *e)
{
	const struct source_settings *s = ebs->source.settings;
	const char *region = s->s3.region;

	if (ebs->connected)
		return 0;
	if (*ebs->here.instance)
		region = ebs->here.region;
	else if (!region && !s->image && !(region = getenv("AWS_REGION")))
		region = getenv("AWS_DEFAULT_REGION");
	if (!region || !*region) {
		if (who_are_we(ebs, e))
			return err_wrap(e,
				"the region of EBS is not known (set AWS_REGION where this is no "
				"instance)");
		region = ebs->here.region;
	}
	ebs->ways = (struct credentials_settings){ .which = s->s3.credentials,
		.region = region,
		.root = s->root,
		.trust = s->trust,
		.proxy = s->proxy,
		.listener = s->listener,
		.image = s->image };
	if (ec2_open(&ebs->ec2, s, &ebs->ways, &ebs->credentials, region, e))
		return e->code;
	ebs->connected = true;
	return 0;
}

/* The snapshots asked for, in no order; some may be there twice. */
struct found {
	struct ec2_snapshot *v;
	size_t n;
};

static int find_more(struct found *found, struct ebs *ebs, struct arena *a, const char *id,
	const struct ec2_filter *filters, size_t n_filters, struct err *e)
{
	struct ec2_snapshot *more;
	size_t n;

	if (ec2_snapshots(&more, &n, &ebs->ec2, a, id, filters, n_filters, e))
		return e->code;
	struct ec2_snapshot *all = arena_array(a, found->n + n, sizeof *all);
	if (found->n)
		memcpy(all, found->v, found->n * sizeof *all);
	if (n)
		memcpy(all + found->n, more, n * sizeof *all);
	*found = (struct found){ all, found->n + n };
	return 0;
}

/* A snapshot may carry the tags, or only the volume it was taken of: those of a claim in
 * Kubernetes are on the volume, and who takes the snapshot need not copy them. */
static int find_by_tags(struct found *found, struct ebs *ebs, struct arena *a, struct err *e)
{
	const struct source_settings *s = ebs->source.settings;
	const size_t n_tags = s->ebs.n_tags;
	struct ec2_filter *filters = arena_array(a, n_tags, sizeof *filters);
	struct ec2_volume *volumes;
	size_t n;

	for (size_t i = 0; i < n_tags; i++)
		filters[i] = (struct ec2_filter){ arena_print(a, "tag:%s", s->ebs.tags[i].name),
			s->ebs.tags[i].value };
	if (find_more(found, ebs, a, NULL, filters, n_tags, e) ||
		ec2_volumes(&volumes, &n, &ebs->ec2, a, NULL, filters, n_tags, e))
		return e->code;
	struct ec2_filter *of = arena_array(a, n, sizeof *of);
	for (size_t i = 0; i < n; i++)
		of[i] = (struct ec2_filter){ "volume-id", volumes[i].id };
	for (size_t i = 0; i < n; i += VOLUMES_A_CALL) {
		const size_t some = n - i < VOLUMES_A_CALL ? n - i : VOLUMES_A_CALL;
		if (find_more(found, ebs, a, NULL, of + i, some, e))
			return e->code;
	}
	return 0;
}

static bool seen_before(const struct found *found, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(found->v[k].id, found->v[i].id))
			return true;
	}
	return false;
}

static int newest_first(const void *a, const void *b)
{
	const struct source_object *x = a, *y = b;

	return (x->modified < y->modified) - (x->modified > y->modified);
}

static int list_snapshots(
	struct ebs *ebs, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct arena work = ARENA(ARENA_MAX);
	const struct ec2_filter of[] = { { "volume-id", ebs->id } };
	struct found found = { 0 };

	int bad = connect_ec2(ebs, e);
	if (!bad)
		bad = begins(ebs->id, "vol-") ? find_more(&found, ebs, &work, NULL, of, 1, e)
					      : find_by_tags(&found, ebs, &work, e);
	*objects = (struct source_objects){ 0 };
	if (!bad)
		objects->v = arena_array(a, found.n, sizeof *objects->v);
	for (size_t i = 0; !bad && i < found.n; i++) {
		const struct ec2_snapshot *s = &found.v[i];
		if (seen_before(&found, i))
			continue;
		struct source_object *o = &objects->v[objects->n++];
		o->name = arena_copy(a, str_from(s->id));
		o->url = arena_print(a, "ebs:%s", s->id);
		o->size = s->size ? s->size : UINT64_MAX;
		o->modified = s->started;
		o->note = arena_print(a, "EBS snapshot of %s", *s->volume ? s->volume : "a volume");
		o->place = true;
		if (!strcmp(s->state, "pending"))
			o->unfit = arena_print(a, "still being made, %s", s->progress);
		else if (strcmp(s->state, "completed"))
			o->unfit = arena_print(a, "its state is %s", s->state);
	}
	if (!bad && objects->n > 1)
		qsort(objects->v, objects->n, sizeof *objects->v, newest_first);
	arena_free(&work);
	return bad;
}

/* Two at once would take each other's volumes for leftovers.  The kernel unlocks when we die. */
static int take_lock(struct ebs *ebs, struct err *e)
{
	CLOSE_FD int dir = -1;

	if (root_open_at(&dir, ebs->source.settings->root, "/run", O_RDONLY | O_DIRECTORY, e))
		return e->code;
	ebs->lock = openat(
		dir, "etcd-rescue-ebs.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ebs->lock < 0)
		return err_sys(e, "/run/etcd-rescue-ebs.lock");
	if (flock(ebs->lock, LOCK_EX | LOCK_NB))
		return err_set(e, ERR_DECLINED,
			"another etcd-rescue reads an EBS snapshot on this instance; wait for it "
			"or end it");
	return 0;
}

/* The snapshot as a mounted file system, at the first call. */
static int attach(struct ebs *ebs, struct err *e)
{
	const struct source_settings *s = ebs->source.settings;
	struct found found = { 0 };
	struct block *before;
	size_t n_before, left;
	const char *disk, *where;

	if (who_are_we(ebs, e)) {
		const struct err why = *e;
		return err_set(e, why.code == ERR_NOTFOUND ? ERR_USAGE : why.code,
			"only an EC2 instance can read an EBS snapshot: %s", why.text);
	}
	if (take_lock(ebs, e) || connect_ec2(ebs, e))
		return e->code;
	if (find_more(&found, ebs, &ebs->arena, ebs->id, NULL, 0, e))
		return e->code;
	if (found.n != 1)
		return err_set(e, ERR_NOTFOUND, "there is no EBS snapshot %s", ebs->id);
	if (strcmp(found.v->state, "completed"))
		return err_set(e, ERR_NOTFOUND, "its state is %s, %s done", found.v->state,
			found.v->progress);
	if (ebs_volume_sweep(&left, &ebs->ec2, &ebs->here, e))
		event_warning(s->listener, "ebs", "%s", e->text);
	ebs->volume = (struct ebs_volume){ .ec2 = &ebs->ec2, .here = &ebs->here };
	if (ebs_volume_make(&ebs->volume, ebs->id, e) ||
		block_list(&before, &n_before, &ebs->arena, s->root, e) ||
		ebs_volume_attach(&ebs->volume, e))
		return e->code;
	const struct ebs_disk wanted = { ebs->volume.id, ebs->volume.device, ebs->volume.size,
		before, n_before };
	if (ebs_disk_find(&disk, &ebs->arena, s->root, &wanted, APPEAR_MS, e) ||
		ebs_disk_mount(&ebs->mounted, &where, &ebs->arena, s->root, disk, ebs->path, e))
		return e->code;
	event_info(s->listener, "ebs", "%s is mounted from %s", ebs->id, where);
	return 0;
}

static int open_files(struct ebs *ebs, struct err *e)
{
	if (!ebs->trouble.code && ebs->mounted.fd < 0)
		ebs->trouble.code = (enum err_code)attach(ebs, &ebs->trouble);
	if (ebs->trouble.code) {
		*e = ebs->trouble;
		return e->code;
	}
	ebs->files = (struct local){ &ebs->mounted, *ebs->path ? ebs->path : "/",
		arena_print(&ebs->arena, "ebs:%s:", ebs->id), ebs->source.settings->listener };
	return 0;
}

static int ebs_list(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct ebs *ebs = (struct ebs *)source;

	if (!begins(ebs->id, "snap-"))
		return list_snapshots(ebs, objects, a, e);
	if (open_files(ebs, e) || local_list(objects, a, &ebs->files, e))
		return err_wrap(e, "%s", ebs->id);
	return 0;
}

static int ebs_read(struct source *source, struct stream *stream,
	const struct source_object *object, struct err *e)
{
	struct ebs *ebs = (struct ebs *)source;

	if (!begins(ebs->id, "snap-") || object->place)
		return err_set(
			e, ERR_USAGE, "%s is an EBS snapshot, not a file on one", object->url);
	if (open_files(ebs, e) || local_read(stream, &ebs->files, object->url, e))
		return err_wrap(e, "%s", ebs->id);
	return 0;
}

static void ebs_close(struct source *source)
{
	struct ebs *ebs = (struct ebs *)source;
	const struct listener *listener = source->settings->listener;
	struct err e = { 0 };
	size_t left = 0;

	root_close(&ebs->mounted);
	if (ebs->volume.asked) {
		const bool known = *ebs->volume.id;
		if (known ? ebs_volume_remove(&ebs->volume, &e)
			  : ebs_volume_sweep(&left, &ebs->ec2, &ebs->here, &e))
			event_warning(listener, "ebs",
				"the volume is still there (%s); the next run removes what carries "
				"the tag " EBS_TAG "=%s",
				e.text, ebs->here.instance);
	}
	if (ebs->connected)
		ec2_close(&ebs->ec2);
	file_close(&ebs->lock);
	credentials_forget(&ebs->credentials);
	struct arena all = ebs->arena; /* and what we are ourselves */
	arena_free(&all);
}

const struct source_kind source_ebs = { "ebs", ebs_open, ebs_list, ebs_read, ebs_close };
