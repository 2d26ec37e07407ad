/* What an etcd that joins waits for: its manifest, or the marker without which its service does not
 * start; into the record of the first boot, before all that waits for etcd. */
#include <string.h>

#include "plan/finish_record.h"
#include "plan/run.h"

static const char step[] = "rewrite";

#define UNITS "etc/systemd/system/"
/* Starts the service when its marker comes, so that nobody has to tell systemd. */
#define PATH  "etcd-rescue-etcd.path"

/* NULL: it is a static pod. */
static const char *service_of(const struct run *r)
{
	const char *fence = r->clusters[0].target->cluster->fence;
	const char *slash = fence ? strrchr(fence, '/') : NULL;

	return fence && run_is_unit(fence) ? (slash ? slash + 1 : fence) : NULL;
}

static int add(struct run *r, struct finish_record *record, const char *path, const char *text,
	struct err *e)
{
	struct commit_file file = {
		.content = { (const uint8_t *)text, strlen(text) }, .mode = 0644, .passing = true
	};

	kube_add_text(&record->files, r->arena, path);
	return site_file(&file.place, &r->site, path, e) ? e->code
							 : commit_add_file(&r->commit, &file, e);
}

/* No two restores have the same text: a rollback to one that was not finished brings its own. */
static int hold_service(
	struct run *r, struct finish_record *record, const char *marker, struct err *e)
{
	const char *service = service_of(r);
	const char *head = arena_print(r->arena, "# etcd-rescue, join %.8s\n", r->plan_id);
	const struct commit_file file = {
		.place = { "", arena_print(r->arena, "%s/released/%s", r->site.state, service) },
		.mode = 0600,
		.held = arena_print(r->arena, "%s/held/%s", r->site.state, service)
	};

	event_info(r->listener, step, "%s waits for the first boot, which joins", service);
	return add(r, record, UNITS "kubelet.service.d/51-etcd-rescue.conf",
		       arena_print(r->arena, "%s[Unit]\nWants=" PATH "\n", head), e) ||
			       add(r, record, UNITS PATH,
				       arena_print(r->arena,
					       "%s[Unit]\nDescription=etcd-rescue: etcd starts "
					       "once "
					       "it may join\n\n[Path]\nPathChanged=/%s\nUnit=%s\n",
					       head, marker, service),
				       e) ||
			       add(r, record,
				       arena_print(
					       r->arena, UNITS "%s.d/50-etcd-rescue.conf", service),
				       arena_print(r->arena, "%s[Unit]\nConditionPathExists=/%s\n",
					       head, marker),
				       e) ||
			       commit_add_file(&r->commit, &file, e)
		       ? e->code
		       : 0;
}

int run_join_hold(struct run *r, struct finish_record *record, struct err *e)
{
	const char *there = run_state_there(r);

	if (r->role != PLAN_ROLE_JOIN)
		return 0;
	record->held = arena_array(r->arena, r->n_clusters + 1, sizeof *record->held);
	for (size_t i = 0; i < r->n_clusters; i++) {
		const char *fence = r->clusters[i].target->cluster->fence;
		const char *service = service_of(r);
		const char *path =
			service ? arena_print(r->arena, "%s/released/%s", there, service) : fence;
		record->held[record->n_held++] = (struct finish_held){ path,
			arena_print(r->arena, "%s/%s", there, run_held_name(r, fence)) };
		if (service && hold_service(r, record, path, e))
			return e->code;
	}
	return 0;
}
