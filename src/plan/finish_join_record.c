#include "plan/finish_join_record.h"

#include <string.h>

#include "plan/finish_join.h"
#include "plan/finish_join_files.h"

static const char step[] = "join";

static enum join_data data_of(void *ctx)
{
	/* Its etcd has never run before its manifest was put in place. */
	return join_files_released(ctx) ? JOIN_DATA_THERE : JOIN_DATA_GONE;
}

static int release(const struct join_files *files, struct err *e)
{
	struct finish *f = files->f;

	for (size_t i = 0; i < f->record.n_held; i++) {
		if (join_files_own(&f->record, files->cluster, i) &&
			finish_release(f, &f->record.held[i], e))
			return err_wrap(e, "%s", f->record.held[i].path);
	}
	return 0;
}

static int start(void *ctx, const char *initial_cluster, struct err *e)
{
	bool changed;

	return join_files_fill(&changed, ctx, initial_cluster, e) || release(ctx, e) ? e->code : 0;
}

static const struct finish_member *own_of(const struct finish_cluster *c)
{
	for (size_t i = 0; i < c->n; i++) {
		for (size_t u = 0; u < c->members[i].urls.n; u++) {
			if (!strcmp(c->members[i].urls.v[u], c->urls.v[0]))
				return &c->members[i];
		}
	}
	return NULL;
}

static int join_one(struct finish *f, size_t i, struct err *e)
{
	struct finish_cluster *c = &f->record.clusters[i];
	struct join_files files = { f, i };
	const struct finish_member *own = own_of(c);

	if (!own || !c->listed || !*c->listed || !c->seeds.n)
		return err_set(e, ERR_FORMAT,
			"the record does not say under which name this node joins, or whom it "
			"asks; etcd-rescue join does it by hand");
	struct finish_join join = { .arena = f->arena,
		.root = f->root,
		.listener = f->listener,
		.cluster = c,
		.name = own->name,
		.data = data_of,
		.patient = true,
		.wait = f->wait,
		.start = start,
		.ctx = &files };
	event_step(f->listener, step, arena_print(f->arena, "%s joins %s", own->name, c->what));
	if (finish_join(&join, e) || release(&files, e))
		return e->code;
	event_done(f->listener, step,
		arena_print(f->arena, "%s is a member of %s%s", own->name, c->what,
			join.removed ? "; who had its place before is removed" : ""));
	join_files_forget(&files);
	/* The others may come and go from here. */
	struct finish_member *alone = arena_alloc(f->arena, sizeof *alone);
	*alone = (struct finish_member){ own->name, join.own, c->urls };
	c->id = join.id;
	c->own = join.own;
	c->members = alone;
	c->n = 1;
	c->grows = true;
	return 0;
}

int finish_join_record(struct finish *f, struct err *e)
{
	for (size_t i = 0; i < f->record.n_clusters; i++) {
		const struct finish_cluster *c = &f->record.clusters[i];
		if (!c->urls.n || !join_one(f, i, e))
			continue;
		event_warning(f->listener, step,
			"this node is no member of %s yet; once the cluster serves, boot it again, "
			"or: /%s/bin/etcd-rescue finish",
			c->what, f->state);
		return err_wrap(e, "%s", c->what);
	}
	return 0;
}

bool finish_join_waits(const struct finish *f, size_t held)
{
	for (size_t i = 0; i < f->record.n_clusters; i++) {
		if (f->record.clusters[i].urls.n && join_files_own(&f->record, i, held))
			return true;
	}
	return false;
}
