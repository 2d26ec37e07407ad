/* What the first boot of the restored system needs, into the commit: the program, what starts it,
 * and the record of what it has to do.
 *
 * The program lies in the state directory, with owner, mode and label of one of the system's own
 * programs, so that systemd may run it also where SELinux looks, and /usr is read-only. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/rewrite.h"
#include "os/file.h"
#include "plan/run_finish.h"

enum { PROGRAM_MAX = 64 << 20 };

static const char step[] = "rewrite";

/* A program of the system, whose label ours gets; NULL: there is none, or it is a link. */
static const char *like_program(struct run *r)
{
	static const char *const programs[] = { "usr/bin/env", "usr/bin/cat", "usr/bin/true",
		"bin/cat" };

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		struct commit_place place;
		struct err none = { 0 };
		CLOSE_FD int fd = -1;
		struct stat st;
		if (!site_file(&place, &r->site, programs[i], &none) && !*place.device &&
			!root_open_at(&fd, r->site.roots[0].root, place.path,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &none) &&
			!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0755)
			return place.path;
	}
	return NULL;
}

static int add(struct run *r, const char *path, struct span content, unsigned mode,
	const char *like, struct err *e)
{
	const struct commit_file file = { .place = { "", path },
		.content = content,
		.like = like,
		.mode = mode,
		.passing = true };

	return commit_add_file(&r->commit, &file, e);
}

static int add_program(struct run *r, struct err *e)
{
	CLEAN_BUF struct buf program = BUF(PROGRAM_MAX);
	CLOSE_FD int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (self < 0)
		return err_sys(e, "/proc/self/exe");
	if (file_read_fd(&program, self, e))
		return err_wrap(e, "/proc/self/exe");
	return add(r, arena_print(r->arena, "%s/bin/etcd-rescue", r->site.state),
		buf_span(&program), 0755, like_program(r), e);
}

static const char *trimmed(const char *path)
{
	return path && *path == '/' ? path + 1 : path;
}

/* What answers etcd's clients beside the peers' certificate, which its CA may not know. */
static void set_tls(struct finish_cluster *c, const struct run *r, const struct kube_cluster *k)
{
	static const struct {
		const char *ca, *cert, *key;
	} known[] = {
		{ "etc/kubernetes/pki/etcd/ca.crt",
			"etc/kubernetes/pki/etcd/healthcheck-client.crt",
			"etc/kubernetes/pki/etcd/healthcheck-client.key" },
		{ "etc/cfc/conf/etcd/ca.pem", "etc/cfc/conf/etcd/client.pem",
			"etc/cfc/conf/etcd/client-key.pem" },
	};

	c->ca = trimmed(k->ca);
	c->cert = trimmed(k->cert);
	c->key = trimmed(k->key);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (run_pki_has(r, known[i].cert) ||
			kube_exists(&r->site.target.files, known[i].cert)) {
			c->ca = known[i].ca;
			c->cert = known[i].cert;
			c->key = known[i].key;
			return;
		}
	}
}

static void set_cluster(struct finish_cluster *c, const struct run *r, const struct run_cluster *rc)
{
	const struct kube_cluster *k = rc->target->cluster;
	struct arena *a = r->arena;

	*c = (struct finish_cluster){ .what = k->what,
		.id = rc->cluster.id,
		.own = rc->own ? rc->own->id : 0,
		.urls = rc->own_urls,
		.seeds = rc->seeds,
		.listed = rc->listed,
		.files = rc->files };
	set_tls(c, r, k);
	for (size_t i = 0; i < k->client_urls.n; i++)
		kube_add_text(
			&c->clients, a, kube_replaced(a, k->client_urls.v[i], &r->rewrite.wanted));
	/* etcd takes these, too, when it is told no address of its own. */
	if (!c->clients.n)
		kube_add_text(
			&c->clients, a, k->ca ? "https://127.0.0.1:2379" : "http://127.0.0.1:2379");
	c->members = arena_array(a, rc->cluster.n_members + rc->members.n + 1, sizeof *c->members);
	for (size_t i = 0; !rc->own && i < rc->members.n; i++)
		c->members[c->n++] = (struct finish_member){ .name = rc->members.v[i].name,
			.urls = rc->members.v[i].urls };
	for (size_t i = 0; i < rc->cluster.n_members; i++) {
		const struct etcd_member *m = &rc->cluster.members[i];
		struct finish_member *out = &c->members[c->n++];
		*out = (struct finish_member){ .name = arena_copy(a, m->name), .id = m->id };
		for (size_t u = 0; u < m->n_urls; u++)
			kube_add_text(&out->urls, a, arena_copy(a, m->urls[u]));
	}
}

static void set_record(struct finish_record *record, struct run *r)
{
	static const char *configs[] = { "etc/kubernetes/admin.conf",
		"etc/kubernetes/super-admin.conf" };
	const struct plan *p = r->plan;
	struct arena *a = r->arena;

	*record = (struct finish_record){ .plan = r->plan_id,
		.node = r->rewrite.node.name
				? kube_replaced(a, r->rewrite.node.name, &r->rewrite.wanted)
				: NULL,
		.layout = r->rewrite.node.layout->name,
		.role = run_role_word(r),
		.snapshot = r->commit.journal.snapshot_sha256,
		.source = r->commit.journal.source,
		.report = p->report,
		.syslog = p->syslog,
		.restored = r->commit.journal.began,
		.deadline_s = p->finish.deadline_s,
		.redeploy_s = p->finish.redeploy_s,
		.wanted = { p->finish.cronjobs, p->finish.stuck_pods, p->finish.nodes,
			p->finish.redeploy, p->finish.csr },
		.clusters = arena_array(a, r->n_clusters + 1, sizeof *record->clusters),
		.n_clusters = r->n_clusters,
		.kubeconfigs = { configs, 2 } };
	for (size_t i = 0; i < r->n_clusters; i++)
		set_cluster(&record->clusters[i], r, &r->clusters[i]);
	for (size_t i = 0; i < r->rewrite.wanted.n_replace; i++)
		kube_add_text(&record->lost, a, r->rewrite.wanted.replace[i].from);
	run_known(record, r);
}

int run_finish(struct run *r, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(FINISH_RECORD_MAX);
	struct finish_step steps[FINISH_ACTIONS];
	struct finish_record record;

	if (!r->plan->finish.install)
		return 0;
	set_record(&record, r);
	if (run_join_hold(r, &record, e) || run_admit(r, &record, e) || run_hold(r, &record, e) ||
		run_finish_start(r, &record, e) || finish_record_print(&text, &record, e) ||
		add(r, arena_print(r->arena, "%s/" FINISH_RECORD, r->site.state), buf_span(&text),
			0600, NULL, e) ||
		add_program(r, e))
		return err_wrap(e, "what the first boot needs");
	finish_steps(steps, record.layout, &record.wanted,
		&(struct finish_part){
			r->role == PLAN_ROLE_JOIN, record.lost.n > 0, finish_alone(&record) });
	for (size_t i = 0; i < FINISH_ACTIONS; i++) {
		if (steps[i].done)
			event_debug(r->listener, step, "first boot: %s: %s", steps[i].name,
				steps[i].text);
	}
	return 0;
}
