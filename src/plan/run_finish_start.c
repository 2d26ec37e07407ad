/* What starts `etcd-rescue finish` at the first boot.
 *
 * Under systemd a unit that the kubelet wants, through a drop-in: a plain file where enabling takes
 * a link.  Elsewhere one plain file where the system's init, or its cron, looks for such.  All of
 * them are ours alone, so that the first boot can take them away and a rollback, too. */
#include <string.h>

#include "plan/run_finish.h"

#define UNIT    "etc/systemd/system/etcd-rescue-finish.service"
#define DROP_IN "etc/systemd/system/kubelet.service.d/50-etcd-rescue.conf"

struct starter {
	const char *init, *marker; /* is there when the system uses it */
	const char *path;
	unsigned mode;
	/* No two restores have the same: a rollback to one that was not finished brings its own
	 * back. */
	const char *(*text)(struct arena *a, const char *id, const char *state);
};

static const char *unit_text(struct arena *a, const char *id, const char *state)
{
	return arena_print(a,
		"[Unit]\n"
		"Description=etcd-rescue: the first boot after restore %s\n"
		"Documentation=man:etcd-rescue(8)\n"
		"Wants=network-online.target\n"
		"After=network-online.target kubelet.service etcd.service\n"
		"ConditionPathExists=/%s/" FINISH_RECORD "\n"
		"\n"
		"[Service]\n"
		"Type=simple\n"
		"ExecStart=/%s/bin/etcd-rescue finish\n",
		id, state, state);
}

static const char *drop_in_text(struct arena *a, const char *id, const char *state)
{
	return arena_print(a, "# etcd-rescue, restore %s, in /%s\n[Unit]\nWants=%s\n", id, state,
		strrchr(UNIT, '/') + 1);
}

/* Nothing may wait for it, for it waits for what is started later. */
static const char *script_text(struct arena *a, const char *id, const char *state)
{
	return arena_print(a,
		"#!/bin/sh\n"
		"# etcd-rescue, restore %s: goes away when it is done\n"
		"[ ! -f /%s/" FINISH_RECORD " ] ||\n"
		"\t/%s/bin/etcd-rescue finish >/dev/null 2>&1 </dev/null &\n",
		id, state, state);
}

static const char *job_text(struct arena *a, const char *id, const char *state)
{
	return arena_print(a,
		"# etcd-rescue, restore %s: goes away when it is done\n"
		"start on stopped rc RUNLEVEL=[2345]\n"
		"pre-start exec test -f /%s/" FINISH_RECORD "\n"
		"exec /%s/bin/etcd-rescue finish\n",
		id, state, state);
}

static const char *cron_text(struct arena *a, const char *id, const char *state)
{
	return arena_print(a,
		"# etcd-rescue, restore %s: goes away when it is done\n"
		"@reboot root [ ! -f /%s/" FINISH_RECORD
		" ] || /%s/bin/etcd-rescue finish >/dev/null 2>&1\n",
		id, state, state);
}

static const struct starter unit = { "systemd", NULL, UNIT, 0644, unit_text };
static const struct starter drop_in = { "systemd", NULL, DROP_IN, 0644, drop_in_text };

static const struct starter others[] = {
	{ "OpenRC", "etc/runlevels/default/local", "etc/local.d/etcd-rescue-finish.start", 0755,
		script_text },
	{ "upstart", "etc/init/rc.conf", "etc/init/etcd-rescue-finish.conf", 0644, job_text },
	{ "cron", "etc/cron.d", "etc/cron.d/etcd-rescue-finish", 0644, cron_text },
};

static int add(struct run *r, struct finish_record *record, const struct starter *s, struct err *e)
{
	const char *id = arena_print(r->arena, "%.8s", r->plan_id);
	const char *text = s->text(r->arena, id, run_state_there(r));
	struct commit_file file = {
		.content = { (const uint8_t *)text, strlen(text) }, .mode = s->mode, .passing = true
	};

	kube_add_text(&record->files, r->arena, s->path);
	return site_file(&file.place, &r->site, s->path, e) ? e->code
							    : commit_add_file(&r->commit, &file, e);
}

/* Is there any of these? */
static bool has(const struct run *r, const char *const *paths)
{
	for (; *paths; paths++) {
		if (kube_exists(&r->site.target.files, *paths))
			return true;
	}
	return false;
}

int run_finish_start(struct run *r, struct finish_record *record, struct err *e)
{
	static const char *const systemd[] = { "usr/lib/systemd/systemd", "lib/systemd/systemd",
		"etc/systemd/system", NULL };
	static const char *const inits[] = { "etc/inittab", "sbin/init", NULL };

	for (size_t i = 0; i < sizeof others / sizeof *others && !has(r, systemd); i++) {
		if (!kube_exists(&r->site.target.files, others[i].marker))
			continue;
		event_info(r->listener, "rewrite",
			"%s starts the rest of it at the first boot (%s)", others[i].init,
			others[i].path);
		return add(r, record, &others[i], e);
	}
	if (!has(r, systemd) && has(r, inits))
		event_warning(r->listener, "rewrite",
			"no init or cron is known here that would start the rest of it at the "
			"first boot: run /%s/bin/etcd-rescue finish by hand then",
			run_state_there(r));
	/* In the order in which they go again: no unit is wanted that is gone. */
	return add(r, record, &drop_in, e) ? e->code : add(r, record, &unit, e);
}
