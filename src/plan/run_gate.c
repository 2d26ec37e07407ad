/* Before the old state is touched: does anybody of the old cluster live, and have the other
 * masters the same? */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/monotonic.h"
#include "etcd/wal.h"
#include "os/file.h"
#include "plan/gate_wait.h"
#include "plan/run.h"
#include "plan/survivors.h"
#include "plan/token.h"

enum { PEM_MAX = 1 << 20, BLOCK = 1 << 20 };

/* How long a restore stands at the gate before it says so with its exit status; whoever starts it
 * again stands there again. */
static const uint64_t hold_ms = 30 * 60 * 1000;

/* A master that has restored before us may be starting its etcd just now, on a slow machine. */
static const unsigned silence_ms = 60 * 1000;

/* Which cluster the member on the disk belongs to, by its log; 0: it does not say. */
static uint64_t old_cluster_id(struct run *r, const struct run_cluster *c)
{
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	CLOSE_FD int dir = -1;
	const bool own = c->target->cluster->wal_dir;
	const struct commit_place *place = own ? &c->wal : &c->data;
	const char *path = own ? place->path : arena_print(r->arena, "%s/member/wal", place->path);
	struct etcd_wal_record record;
	struct err none = { 0 };

	if (root_open_at(&dir, site_root(&r->site, place->device), path, O_RDONLY | O_DIRECTORY,
		    &none) ||
		etcd_wal_open(&wal, dir, r->arena, &none))
		return 0;
	while (!etcd_wal_next(&record, &wal, &none) && record.type != ETCD_WAL_END) {
		struct etcd_metadata m;
		if (record.type == ETCD_WAL_METADATA)
			return etcd_raftpb_read_metadata(&m, record.data, &none) ? 0 : m.cluster_id;
	}
	return 0;
}

/* As it will be: issued with this restore, else as the configuration has it. */
static int read_pem(struct buf *pem, const struct run *r, const char *path, struct err *e)
{
	const struct root *root = r->site.target.files.root;
	const char *issued = path ? run_pki_text(r, path) : NULL;

	if (issued)
		return buf_add_str(pem, str_from(issued), e);
	return path && root_exists(root, path) ? file_read(pem, root, path, e) : 0;
}

/* The same bytes once more, by a derived token: the id is that of the restore before. */
static int is_told_again(
	const struct run *r, const struct run_cluster *c, uint64_t old_id, struct err *e)
{
	if (r->plan->cluster.token || old_id != c->cluster.id ||
		r->plan->survivors == PLAN_SURVIVORS_NONE)
		return 0;
	return err_set(e, ERR_DECLINED,
		"this very snapshot is what was restored here before, so the new cluster would "
		"have the id of the one that has run since, and a master of that could join it: "
		"write `generation: %" PRIu64 "` into the plan of all masters, or `survivors: "
		"none` if no other one has run it",
		r->plan->generation + 1);
}

static int ask_survivors(
	struct run *r, const struct run_cluster *c, const char *const *committed, struct err *e)
{
	CLEAN_BUF struct buf ca = BUF(PEM_MAX);
	CLEAN_BUF struct buf cert = BUF(PEM_MAX);
	CLEAN_BUF struct buf key = BUF(PEM_MAX);
	const struct kube_cluster *k = c->target->cluster;
	const uint64_t old_id = old_cluster_id(r, c);
	struct survivors survivors;

	/* Who it is that answers could not be told without their CA, and nothing is shown to them.
	 */
	if (read_pem(&ca, r, k->ca, e) ||
		(ca.len && (read_pem(&cert, r, k->cert, e) || read_pem(&key, r, k->key, e))))
		return e->code;
	const struct survivors_question question = {
		.cluster = &c->cluster,
		.own = c->own,
		.old = &k->members,
		/* A derived token is new by itself; of a told one nobody knows. */
		.old_id = old_id || !r->plan->cluster.token ? old_id : c->cluster.id,
		.committed = committed,
		.ca = buf_span(&ca),
		.cert = buf_span(&cert),
		.key = buf_span(&key),
		.patience_ms = silence_ms,
		.go_on = r->stopped,
		.ctx = r->ctx,
		.listener = r->listener,
	};
	const int bad = is_told_again(r, c, old_id, e) || survivors_check(&survivors, r->arena,
								  &question, r->plan->survivors, e)
				? e->code
				: 0;
	if (key.p)
		explicit_bzero(key.p, key.room);
	if (bad && e->code == ERR_DECLINED)
		r->outcome = RUN_REFUSED;
	return bad;
}

/* SHA-256 of the database as it now stands in the stage. */
static int sum_database(uint8_t digest[CODEC_SHA256_SIZE], const struct run *r,
	const struct run_cluster *c, struct err *e)
{
	static const char path[] = RUN_NEW_DATA "/member/snap/db";
	uint8_t *block = arena_alloc(r->arena, BLOCK);
	struct codec_sha256 sha;
	CLOSE_FD int fd = -1;
	size_t got = 1;

	codec_sha256_init(&sha);
	if (root_open_at(&fd, &c->stage, path, O_RDONLY, e))
		return e->code;
	while (got) {
		if (file_read_some(&got, fd, block, BLOCK, e))
			return err_wrap(e, "%s", path);
		codec_sha256_update(&sha, (struct span){ block, got });
	}
	codec_sha256_final(digest, &sha);
	return 0;
}

static int say_ready(struct gate_note *note, struct run *r, struct err *e)
{
	struct plan_ready *ready = arena_array(r->arena, r->n_clusters, sizeof *ready);
	const struct journal *j = &r->commit.journal;

	for (size_t i = 0; i < r->n_clusters; i++) {
		uint8_t *digest = arena_alloc(r->arena, CODEC_SHA256_SIZE);
		if (sum_database(digest, r, &r->clusters[i], e))
			return e->code;
		ready[i] = (struct plan_ready){ digest, &r->clusters[i].cluster,
			r->clusters[i].edits.bump };
	}
	*note = (struct gate_note){ .generation = r->plan->generation };
	plan_ready_digest(note->ready, ready, r->n_clusters);
	/* The same on every master: the plan's id is of one node. */
	memcpy(note->plan, r->plan_digest, sizeof note->plan);
	strncat(note->snapshot, j->snapshot_sha256, sizeof note->snapshot - 1);
	strncat(note->token, j->token, sizeof note->token - 1);
	strncat(note->node, r->clusters[0].name, sizeof note->node - 1);
	strncat(note->hardware, j->machine ? j->machine : "", sizeof note->hardware - 1);
	return 0;
}

/* All members; where one restores alone, those of the old cluster, who stand aside. */
static const struct kube_members *who_meets(const struct run_cluster *c)
{
	const struct kube_members *old = &c->target->cluster->members;

	return c->members.n == 1 && old->n > 1 ? old : &c->members;
}

static int stand_at_gate(struct gate_outcome *outcome, struct run *r, struct err *e)
{
	const struct run_cluster *c = &r->clusters[0];
	const struct kube_members *who = who_meets(c);
	const char **names = arena_array(r->arena, who->n + 1, sizeof *names);
	struct gate_wait_settings settings = { .plan = r->plan,
		.root = r->machine,
		.listener = r->listener,
		/* Where nobody is, nobody starts it again. */
		.hold_ms = r->hold_ms      ? r->hold_ms
			   : r->unattended ? 0
					   : hold_ms,
		.go_on = r->stopped,
		.ctx = r->ctx };

	for (size_t i = 0; i < who->n; i++)
		names[i] = who->v[i].name;
	settings.gate = (struct gate_settings){ .names = names,
		.n_names = who->n,
		.n_new = c->members.n,
		.n_old = c->target->cluster->members.n,
		.missing = r->plan->missing };
	if (say_ready(&settings.gate.self, r, e) || gate_open(&r->gate, r->arena, &settings, e) ||
		gate_wait(outcome, r->gate, e)) {
		if (e->code == ERR_DECLINED)
			r->outcome = RUN_REFUSED;
		return e->code;
	}
	if (outcome->released)
		return 0;
	r->outcome = RUN_HOLDING;
	return err_set(e, ERR_DECLINED,
		"%s; the old state is intact and the new one is staged: the same command goes on "
		"waiting, `missing: proceed` in the plan does not wait for everybody",
		outcome->last.text);
}

static void tell(struct run *r, enum gate_phase phase)
{
	struct err e = { 0 };

	if (r->gate && gate_tell(r->gate, phase, &e))
		event_warning(r->listener, "gate", "%s", e.text);
}

int run_gate(struct run *r, struct err *e)
{
	struct gate_outcome outcome = { 0 };
	const int64_t began = monotonic_ms();

	event_step(r->listener, "gate", "who else is there?");
	if (gate_is_wanted(r->plan, who_meets(&r->clusters[0])->n) && stand_at_gate(&outcome, r, e))
		return e->code;
	for (size_t i = 0; i < r->n_clusters; i++) {
		if (ask_survivors(r, &r->clusters[i], outcome.committed, e)) {
			/* The others must not count on us. */
			tell(r, GATE_STOPPED);
			return e->code;
		}
	}
	r->took_ms[RUN_GATE] = monotonic_ms() - began;
	event_done(r->listener, "gate", "open");
	return 0;
}

void run_tell_gate(struct run *r)
{
	tell(r, GATE_COMMITTED);
}
