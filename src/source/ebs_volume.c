#include "source/ebs_volume.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/monotonic.h"

enum { STATE_MS = 300000, GONE_MS = 30000, AGAIN_MS = 60000, FIRST_MS = 250, LAST_MS = 4000 };
enum { ARENA_MAX = 96 << 20 };

/* One wait of growing length; false when the time is over. */
struct patience {
	int64_t end;
	unsigned next_ms;
};

static struct patience patience(unsigned limit_ms)
{
	return (struct patience){ monotonic_ms() + limit_ms, FIRST_MS };
}

static bool wait_more(struct patience *p)
{
	const int64_t left = p->end - monotonic_ms();

	if (left <= 0)
		return false;
	const int64_t ms = left < p->next_ms ? left : p->next_ms;
	const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
	nanosleep(&t, NULL);
	p->next_ms = p->next_ms * 3 / 2 < LAST_MS ? p->next_ms * 3 / 2 : LAST_MS;
	return true;
}

/* The volume as it is now; ERR_NOTFOUND when there is none. */
static int look(
	struct ec2_volume *volume, struct ec2 *ec2, struct arena *a, const char *id, struct err *e)
{
	struct ec2_volume *v;
	size_t n;

	if (ec2_volumes(&v, &n, ec2, a, id, NULL, 0, e))
		return e->code;
	if (n != 1 || strcmp(v->id, id))
		return err_set(e, ERR_NOTFOUND, "there is no volume %s", id);
	*volume = *v;
	return 0;
}

static bool is(const char *word, const char *other)
{
	return word && !strcmp(word, other);
}

static int make_token(char token[48], struct err *e)
{
	uint8_t dice[16];

	if (getrandom(dice, sizeof dice, 0) != sizeof dice)
		return err_sys(e, "random numbers");
	int at = snprintf(token, 48, EBS_TAG "-");
	for (size_t i = 0; i < sizeof dice; i++)
		at += snprintf(token + at, 48 - (size_t)at, "%02x", dice[i]);
	return 0;
}

static int wait_until_made(struct ebs_volume *volume, struct err *e)
{
	struct patience p = patience(STATE_MS);

	for (;;) {
		struct arena a = ARENA(ARENA_MAX);
		struct ec2_volume v = { 0 };
		int bad = look(&v, volume->ec2, &a, volume->id, e);
		bool made = false;
		if (!bad) {
			volume->seen = true;
			made = is(v.state, "available");
			volume->size = v.size;
			if (!made && !is(v.state, "creating"))
				bad = ERR_NOTFOUND;
		}
		arena_free(&a);
		if (made)
			return 0;
		/* What was made a moment ago may not be known everywhere yet; what was there
		 * and is gone has failed. */
		if (bad && bad != ERR_NOTFOUND)
			return bad;
		if (bad && (volume->seen || monotonic_ms() >= volume->doubt))
			return err_set(e, ERR_AUTH,
				"volume %s was given up by EBS while it was made: mostly the "
				"snapshot is "
				"encrypted and the credentials may not use its KMS key",
				volume->id);
		if (!wait_more(&p))
			return err_set(e, ERR_NET, "volume %s is still being made", volume->id);
	}
}

int ebs_volume_make(struct ebs_volume *volume, const char *snapshot, struct err *e)
{
	const struct source_settings *s = volume->ec2->settings;
	char token[48], name[64];

	if (make_token(token, e))
		return e->code;
	snprintf(name, sizeof name, "etcd-rescue reads %s", snapshot);
	const struct ec2_tag tags[] = { { EBS_TAG, volume->here->instance }, { "Name", name } };
	const struct ec2_order order = { .snapshot = snapshot,
		.zone = volume->here->zone,
		.type = s->ebs.volume_type,
		.iops = s->ebs.iops,
		.token = token,
		.tags = tags,
		.n_tags = sizeof tags / sizeof *tags };

	volume->asked = true;
	if (ec2_create_volume(volume->id, volume->ec2, &order, e))
		return e->code;
	volume->doubt = monotonic_ms() + GONE_MS;
	event_info(s->listener, "ebs", "volume %s is made of %s in %s", volume->id, snapshot,
		volume->here->zone);
	return wait_until_made(volume, e);
}

/* Letters behind sd or xvd: /dev/sdf and /dev/xvdf are one place. */
static const char *letters_of(const char *device)
{
	const char *slash = strrchr(device, '/');
	const char *name = slash ? slash + 1 : device;

	if (!strncmp(name, "sd", 2))
		return name + 2;
	return !strncmp(name, "xvd", 3) ? name + 3 : name;
}

static bool is_taken(const struct ec2_volume *v, size_t n, const char *instance, const char *device)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < v[i].n_attached; k++) {
			const struct ec2_attachment *at = &v[i].attached[k];
			if (is(at->instance, instance) &&
				is(letters_of(at->device), letters_of(device)))
				return true;
		}
	}
	return false;
}

static const struct ec2_attachment *attachment_here(
	const struct ec2_volume *v, const char *instance)
{
	for (size_t i = 0; i < v->n_attached; i++) {
		if (is(v->attached[i].instance, instance))
			return &v->attached[i];
	}
	return NULL;
}

static int wait_until_attached(struct ebs_volume *volume, struct err *e)
{
	struct patience p = patience(STATE_MS);

	for (;;) {
		struct arena a = ARENA(ARENA_MAX);
		struct ec2_volume v = { 0 };
		const int bad = look(&v, volume->ec2, &a, volume->id, e);
		const struct ec2_attachment *at =
			bad ? NULL : attachment_here(&v, volume->here->instance);
		const bool attached = at && is(at->state, "attached");
		/* "busy" is said of a detaching one that is still in use. */
		const bool lost =
			!bad && !at && !is(v.state, "available") && !is(v.state, "in-use");
		if (attached)
			snprintf(volume->device, sizeof volume->device, "%s", at->device);
		arena_free(&a);
		if (bad)
			return bad;
		if (attached)
			return 0;
		if (lost)
			return err_set(e, ERR_NOTFOUND, "volume %s went away while it was attached",
				volume->id);
		if (!wait_more(&p))
			return err_set(e, ERR_NET, "volume %s is still being attached after %d s",
				volume->id, STATE_MS / 1000);
	}
}

/* Device names are tried in order: EC2 knows of uses that DescribeVolumes does not show. */
static int attach_somewhere(
	struct ebs_volume *volume, const struct ec2_volume *v, size_t n, struct err *e)
{
	const char *here = volume->here->instance;
	struct ec2 *ec2 = volume->ec2;
	char device[16];

	for (unsigned i = 0; ec2_device_name(device, i); i++) {
		if (is_taken(v, n, here, device))
			continue;
		if (!ec2_attach(ec2, volume->id, here, device, e) ||
			is(ec2->refusal, "VolumeInUse")) /* the answer to an earlier try was lost */
			return 0;
		/* "Attachment point /dev/sdf is already in use" comes under several codes. */
		if (!*ec2->refusal || !strstr(e->text, device))
			return e->code;
	}
	return err_wrap(e, "no name is free for one more volume");
}

int ebs_volume_attach(struct ebs_volume *volume, struct err *e)
{
	const struct ec2_filter ours[] = { { "attachment.instance-id", volume->here->instance } };
	struct arena a = ARENA(ARENA_MAX);
	struct ec2_volume *v;
	size_t n;

	int bad = ec2_volumes(&v, &n, volume->ec2, &a, NULL, ours, 1, e);
	if (!bad)
		bad = attach_somewhere(volume, v, n, e);
	arena_free(&a);
	return bad ? bad : wait_until_attached(volume, e);
}

/* One step towards its end, by what it is now: *over when nothing is left to be done. */
static int step_down(bool *over, int64_t *asked, struct ec2 *ec2, const struct imds_identity *here,
	const char *id, struct err *e)
{
	struct arena a = ARENA(ARENA_MAX);
	struct ec2_volume v = { 0 };
	int bad = look(&v, ec2, &a, id, e);

	*over = bad == ERR_NOTFOUND;
	if (bad)
		goto out;
	const char *tag = ec2_tag(v.tags, v.n_tags, EBS_TAG);
	if (is(v.state, "deleting") || is(v.state, "deleted")) {
		*over = true;
	} else if (!tag || !is(tag, here->instance)) {
		bad = err_set(e, ERR_DECLINED,
			"volume %s does not carry the tag " EBS_TAG
			"=%s any more, so it is left alone; "
			"look at it and delete it by hand",
			id, here->instance);
	} else if (v.n_attached) {
		const struct ec2_attachment *at = attachment_here(&v, here->instance);
		if (!at) {
			bad = err_set(e, ERR_DECLINED,
				"volume %s is attached to %s, so it is left alone; detach and "
				"delete it by hand",
				id, v.attached[0].instance);
		} else if (!is(at->state, "detaching") && monotonic_ms() >= *asked + AGAIN_MS) {
			/* Too early ("attaching") is IncorrectState: look again. */
			bad = ec2_detach(ec2, id, here->instance, at->device, e);
			if (!bad)
				*asked = monotonic_ms();
		}
	} else if (is(v.state, "available") || is(v.state, "error")) {
		bad = ec2_delete(ec2, id, e);
		*over = !bad;
	}
	if (bad && (is(ec2->refusal, "IncorrectState") || is(ec2->refusal, "VolumeInUse") ||
			   bad == ERR_NOTFOUND))
		bad = 0;
out:
	arena_free(&a);
	return *over ? 0 : bad;
}

/* `doubt`: "there is no such volume" is not believed before that time. */
static int remove_one(struct ec2 *ec2, const struct imds_identity *here, const char *id,
	int64_t doubt, struct err *e)
{
	struct patience p = patience(STATE_MS);
	int64_t asked = monotonic_ms() - AGAIN_MS;
	bool over = false;

	for (;;) {
		e->code = ERR_OK;
		if (step_down(&over, &asked, ec2, here, id, e))
			return e->code;
		if (over && (e->code != ERR_NOTFOUND || monotonic_ms() >= doubt)) {
			event_info(ec2->settings->listener, "ebs", "volume %s is deleted", id);
			return 0;
		}
		if (!wait_more(&p))
			return err_set(e, ERR_NET,
				"volume %s is still in use after %d s; the next run tries again",
				id, STATE_MS / 1000);
	}
}

int ebs_volume_remove(struct ebs_volume *volume, struct err *e)
{
	if (!*volume->id)
		return 0;
	const int bad = remove_one(
		volume->ec2, volume->here, volume->id, volume->seen ? 0 : volume->doubt, e);
	*volume->id = 0;
	return bad;
}

int ebs_volume_sweep(size_t *left, struct ec2 *ec2, const struct imds_identity *here, struct err *e)
{
	const struct ec2_filter ours[] = { { "tag:" EBS_TAG, here->instance } };
	struct arena a = ARENA(ARENA_MAX);
	struct ec2_volume *v;
	struct err other;
	size_t n;

	*left = 0;
	int bad = ec2_volumes(&v, &n, ec2, &a, NULL, ours, 1, e);
	for (size_t i = 0; !bad && i < n; i++) {
		const char *tag = ec2_tag(v[i].tags, v[i].n_tags, EBS_TAG);
		if (!tag || !is(tag, here->instance))
			continue;
		if (is(v[i].state, "deleting") || is(v[i].state, "deleted"))
			continue;
		event_info(ec2->settings->listener, "ebs", "volume %s was left by an earlier run",
			v[i].id);
		if (remove_one(ec2, here, v[i].id, 0, *left ? &other : e))
			++*left;
	}
	arena_free(&a);
	return bad ? bad : *left ? (int)e->code : 0;
}
