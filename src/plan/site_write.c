/* The file systems of a site are written to: journals replayed, then the chosen ones mounted anew.
 */
#include <fcntl.h>
#include <string.h>

#include "os/file.h"
#include "plan/site_part.h"

static bool is_mapped(const struct target_volume *v)
{
	return !strncmp(v->disk->name, "dm-", 3);
}

static bool is_array(const struct target_volume *v)
{
	return !strncmp(v->disk->name, "md", 2);
}

/* Of a control plane, or of a restore; what is there and cannot be read counts, too. */
static bool concerns(const struct target_volume *v)
{
	static const char *const names[] = { "etc/kubernetes", "etc/cfc", "var/lib/etcd-rescue",
		"etc/etcd-rescue", "lib/etcd-rescue", "ostree/deploy", "member", ".etcd-rescue" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct err e = { 0 };
		CLOSE_FD int fd = -1;
		if (!root_open_at(&fd, &v->root, names[i], O_PATH | O_NOFOLLOW, &e) ||
			e.code != ERR_NOTFOUND)
			return true;
	}
	return false;
}

void site_replay_journals(struct site *s)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		struct err e = { 0 };
		if (v->why || v->twin || v->disk->read_only || is_mapped(v) || is_array(v) ||
			!concerns(v))
			continue;
		const char *device = arena_print(s->arena, "/dev/%s", v->name);
		root_close(&v->root);
		if (!mount_open(&v->root, s->machine, device, v->content->kind, MOUNT_REPLAY, &e))
			continue;
		event_warning(s->listener, "target", "%s: its journal: %s", v->name, e.text);
		if (mount_open(&v->root, s->machine, device, v->content->kind, MOUNT_AS_IT_IS, &e))
			v->why = arena_print(s->arena, "%s", e.text);
	}
}

/* Which volumes are the roots'; by number, since they are opened anew. */
static void mark_used(bool *used, const struct site *s)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		used[i] = false;
		for (size_t k = 0; k < s->n_roots; k++)
			used[i] |= &s->volumes.v[i].root == s->roots[k].root;
	}
}

static int open_writable(struct site *s, struct target_volume *v, struct err *e)
{
	const char *device = arena_print(s->arena, "/dev/%s", v->name);

	root_close(&v->root);
	return mount_open(&v->root, s->machine, device, v->content->kind, MOUNT_WRITE, e);
}

/* A file system that says of itself that it has errors is not written to. */
static int may_write(const struct target_volume *v, struct err *e)
{
	if (v->disk->read_only)
		return err_set(e, ERR_DECLINED,
			"%s: the disk is read-only; make it writable (a switch, the storage array, "
			"`blockdev --setrw /dev/%s`) and start again",
			v->name, v->name);
	if (v->content->errors)
		return err_set(e, ERR_DECLINED,
			"%s: the file system says that it has errors; `e2fsck -f /dev/%s` repairs "
			"it, then start again",
			v->name, v->name);
	return 0;
}

/* Containers and volume groups are opened again, so that nothing on them may be mounted. */
static int make_writable(struct site *s, const bool *used, struct err *e)
{
	const char **names = arena_array(s->arena, s->volumes.n + 1, sizeof *names);
	size_t *of = arena_array(s->arena, s->volumes.n + 1, sizeof *of), n = 0;

	if (!s->assembly.n)
		return 0;
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		if (v->why || !(is_mapped(v) || (used[i] && is_array(v))))
			continue;
		root_close(&v->root);
		if (used[i]) {
			of[n] = i;
			names[n++] = v->name;
		}
	}
	if (target_assemble_writable(&s->assembly, names, n, e))
		return e->code;
	for (size_t i = 0; i < n; i++) {
		struct target_volume *v = &s->volumes.v[of[i]];
		v->name = names[i];
		v->disk = block_find(s->assembly.blocks, s->assembly.n_blocks, names[i]);
		if (!v->disk)
			return err_set(e, ERR_NOTFOUND, "%s did not come back", names[i]);
	}
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		/* Not needed, and under its old name maybe another's. */
		if (!v->why && !used[i] && is_mapped(v))
			v->why = "closed while others are written to";
	}
	return 0;
}

int site_write(struct site *s, struct err *e)
{
	bool *used = arena_array(s->arena, s->volumes.n + 1, sizeof *used);

	if (s->dir) {
		s->writable = true;
		return 0;
	}
	const size_t chosen = (size_t)(s->target.volume - s->volumes.v);
	mark_used(used, s);
	plan_target_close(&s->target);
	if (make_writable(s, used, e))
		return e->code;
	/* One kernel superblock cannot be mounted in both ways. */
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		if (used[i] && (may_write(v, e) || open_writable(s, v, e)))
			return e->code;
	}
	const struct target_volume *v = &s->volumes.v[chosen];
	s->writable = true;
	if (s->interrupted || s->settled)
		return site_find_journal(s, &v->root, v, s->settled, e);
	s->target.volume = v;
	return site_read_again(s, e) ? err_wrap(e, "%s", v->name) : 0;
}
