#include "plan/run.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/monotonic.h"
#include "plan/gate_wait.h"

static const char step_target[] = "target", step_commit[] = "commit";

const char *plan_run_outcome(enum run_outcome outcome)
{
	static const char *const words[] = { "untouched", "restored", "already-restored",
		"rehearsed", "staged", "rolled-back", "unfinished", "holding", "refused" };

	return words[outcome];
}

const char *plan_run_step(enum run_step step)
{
	static const char *const words[] = { "identify", "snapshot", "fetch", "rewrite", "gate",
		"commit" };

	return step < RUN_STEPS ? words[step] : "";
}

static int open_commit(struct run *r, struct err *e)
{
	r->commit = (struct commit){
		.arena = r->arena,
		.listener = r->listener,
		.roots = r->site.roots,
		.n_roots = r->site.n_roots,
		.state = r->site.state,
		.clear_immutable = r->plan->storage.clear_immutable,
		.stopped = r->stopped,
		.ctx = r->ctx,
	};
	return commit_open(&r->commit, e);
}

/* Which node, which disk, and what the journal on it says. */
static int identify(struct run *r, struct err *e)
{
	const char *layout =
		r->plan->layout && strcmp(r->plan->layout, "auto") ? r->plan->layout : NULL;

	event_step(r->listener, "identify", "which node is this, and where is its etcd?");
	r->site = (struct site){ .arena = r->arena,
		.aside = !strncmp(r->plan->old, "move:", 5) ? r->plan->old + 5 : NULL,
		.machine = r->machine,
		.listener = r->listener,
		.dir = r->dir,
		.layout = layout,
		.replay = !r->dry_run,
		.storage = { .luks_key = r->plan->storage.luks_key,
			.degraded = r->plan->storage.degraded,
			.ask = r->ask,
			.ctx = r->ctx },
		.tree = NO_ROOT,
		.target = { .running = NO_ROOT } };
	const enum plan_role said = r->plan->role;
	bool bare = false;
	if (site_look(&r->site, e)) {
		if (e->code != ERR_NOTFOUND || r->site.interrupted)
			return e->code;
		bare = said == PLAN_ROLE_PURGE_ONLY || (said == PLAN_ROLE_AUTO && !r->plan->pki);
		if (!bare && (!r->plan->pki || run_fresh(r, e)))
			return e->code;
	}
	if (r->site.interrupted || r->site.settled) {
		event_done(r->listener, "identify",
			r->site.settled ? "a disk that this program has worked on"
					: "a disk with a restore that is not finished");
		if (open_commit(r, e) || r->site.interrupted)
			return e->code;
		/* A journal without a layout is that of a node without an etcd. */
		bare = said == PLAN_ROLE_PURGE_ONLY ||
		       (said == PLAN_ROLE_AUTO && !r->commit.journal.layout);
		if (!bare)
			return 0;
	}
	if (bare) {
		if (run_bare(r, e) || !r->site.bare)
			return e->code;
		return open_commit(r, e);
	}
	if (plan_rewrite(&r->rewrite, &r->site.target.files, r->plan, r->who, e) ||
		run_role_of_node(r, e))
		return e->code;
	const struct kube_node *node = &r->rewrite.node;
	for (size_t i = 0; i < node->warnings.n; i++)
		event_warning(r->listener, "identify", "%s", node->warnings.v[i]);
	event_done(r->listener, "identify",
		arena_print(r->arena, "%s, a %s%s control plane (%s)",
			node->name ? node->name : "a node without a name", r->fresh ? "fresh " : "",
			node->layout->name, node->marker));
	if (r->site.target.volume)
		event_info(r->listener, step_target, "%s (%s)", r->site.target.volume->name,
			r->site.target.volume->content->uuid);
	if (!run_restores(r) && run_role_decide(r, e))
		return e->code;
	return open_commit(r, e);
}

static int refuse(struct run *r, struct err *e, const char *why)
{
	const struct journal *j = &r->commit.journal;

	r->outcome = RUN_REFUSED;
	return err_set(e, ERR_DECLINED,
		"%s (generation %" PRIu64 ", %s, snapshot %.12s); a plan with `generation: %" PRIu64
		"` restores again, and so does --again",
		why, j->generation, j->source ? j->source : "?",
		j->snapshot_sha256 ? j->snapshot_sha256 : "?", j->generation + 1);
}

enum decision { DECIDED_RESTORE, DECIDED_RESUME, DECIDED_DONE };

/* What the journal means for this plan. */
static int decide(enum decision *d, struct run *r, struct err *e)
{
	const struct journal *j = &r->commit.journal;
	const bool same = j->plan_digest && !strcmp(j->plan_digest, r->plan_digest);
	const bool higher = r->again || r->plan->generation > j->generation;

	*d = DECIDED_RESTORE;
	switch (j->phase) {
	case JOURNAL_NONE:
	case JOURNAL_INTENT:
	case JOURNAL_PREPARED:
		/* Whoever lives, and what the others have, is asked anew. */
		return 0;
	case JOURNAL_COMMITTING:
	case JOURNAL_ROLLING_BACK:
		*d = DECIDED_RESUME;
		return 0;
	case JOURNAL_COMMITTED:
		/* Its manifest is away: nothing is recognised that could be done anew. */
		if (higher && r->site.settled && !r->site.bare) {
			r->outcome = RUN_REFUSED;
			return err_set(e, ERR_DECLINED,
				"here %s waits for its first boot, or stands aside, and its etcd's "
				"manifest is away: let it boot, or etcd-rescue rollback first, "
				"then "
				"start again",
				j->node ? j->node : "a node");
		}
		if (higher)
			return 0;
		if (!same)
			return refuse(r, e, "this disk was restored by another plan");
		*d = DECIDED_DONE;
		return 0;
	case JOURNAL_ROLLED_BACK:
		return higher ? 0 : refuse(r, e, "a restore of this disk was rolled back");
	}
	return 0;
}

/* A commit that began either ends, or says how far it came. */
static int finish(struct run *r, int (*go)(struct commit *c, struct err *e), struct err *e)
{
	const int64_t began = monotonic_ms();
	const bool half_way = r->commit.journal.phase > JOURNAL_PREPARED;

	event_step(r->listener, step_commit, "the new state takes the place of the old");
	const int bad = go(&r->commit, e);
	r->took_ms[RUN_COMMIT] += monotonic_ms() - began;
	const enum journal_phase phase = r->commit.journal.phase;
	r->outcome = phase == JOURNAL_COMMITTED               ? RUN_RESTORED
		     : phase == JOURNAL_ROLLED_BACK           ? RUN_ROLLED_BACK
		     : bad && !r->commit.changed && !half_way ? RUN_UNTOUCHED
							      : RUN_UNFINISHED;
	if (!bad)
		event_done(r->listener, step_commit,
			phase != JOURNAL_COMMITTED               ? "rolled back"
			: run_restores(r) || r->site.interrupted ? "restored"
								 : "done; its role is in place");
	return bad;
}

static bool is_same(const struct journal *x, const struct journal *y)
{
	const char *a = x->plan_id ? x->plan_id : "", *b = y->plan_id ? y->plan_id : "";

	return x->phase == y->phase && x->began == y->began && !strcmp(a, b);
}

static int make_writable(struct run *r, struct err *e)
{
	const struct journal seen = r->commit.journal;

	if (site_write(&r->site, e) ||
		commit_hold(&r->held, r->site.roots[0].root, r->site.state, e) || open_commit(r, e))
		return e->code;
	if (!is_same(&seen, &r->commit.journal))
		return err_set(e, ERR_MISMATCH,
			"another etcd-rescue was at work on this disk meanwhile; start again");
	if (r->writable)
		r->writable(r->ctx, &r->site);
	return 0;
}

static int resume(struct run *r, struct err *e)
{
	event_info(r->listener, step_commit, "an earlier run was interrupted (%s); it goes on",
		journal_phase_word(r->commit.journal.phase));
	if (r->dry_run) {
		r->outcome = RUN_REHEARSED;
		return 0;
	}
	const char *said = r->commit.journal.plan_digest;
	const uint64_t generation = r->commit.journal.generation;
	r->outcome = RUN_UNFINISHED;
	if (make_writable(r, e) || finish(r, commit_resume, e))
		return e->code;
	if (r->outcome == RUN_ROLLED_BACK)
		return err_set(e, ERR_DECLINED,
			"a rollback that was interrupted is ended: the old state is in place, and "
			"nothing was restored; a plan with `generation: %" PRIu64
			"` restores again, and so does --again",
			generation + 1);
	if (r->outcome == RUN_RESTORED &&
		(!said || strcmp(said, r->plan_digest) != 0 || r->plan->generation > generation))
		event_warning(r->listener, step_commit,
			"what was finished is the restore of another plan (generation %" PRIu64
			"); this one is not restored: start again",
			generation);
	return 0;
}

/* The second boot of the image on a restored master. */
static int look_again(struct run *r, struct err *e)
{
	if (commit_verify(&r->served, &r->commit, e))
		return err_wrap(e, "this plan was restored here, but not all of it is there");
	r->outcome = RUN_ALREADY;
	event_done(r->listener, step_target,
		r->served ? "this plan was restored here, and etcd has run on it since"
			  : "this plan is restored here already");
	return 0;
}

int run_settings(struct run *r, struct err *e)
{
	if (r->has_settings)
		return 0;
	r->has_settings = true;
	return settings_make(&r->settings, r->arena, r->plan, r->machine, r->listener, e);
}

int run_choose(struct run *r, struct err *e)
{
	struct choose_wish wish;

	event_step(r->listener, "snapshot", "which one?");
	if (run_settings(r, e) || choose_wish_of(&wish, r->plan, e) ||
		choose_open(&r->choose, r->arena, &r->settings.source, &wish, e))
		return e->code;
	if (!wish.catalogue.node)
		r->choose.wish.catalogue.node = r->rewrite.node.name;
	return 0;
}

static int choose(struct run *r, struct err *e)
{
	const int64_t began = monotonic_ms();
	const int bad = run_choose(r, e) || choose_next(&r->choose, e) ? e->code : 0;

	r->took_ms[RUN_SNAPSHOT] = monotonic_ms() - began;
	if (!bad)
		event_done(r->listener, "snapshot",
			arena_print(r->arena, "%s: %s", r->choose.item->shown, r->choose.reason));
	return bad;
}

/* Masters that restore the same bytes have the same cluster id; with a token that is told, ones
 * that restored others have it too, and nobody is there to see it. */
static int check_token(struct run *r, struct err *e)
{
	const struct plan *p = r->plan;
	const bool pinned = p->snapshot.sha256 || p->snapshot.version;

	if (!r->unattended || !p->cluster.token || pinned || strcmp(p->gate, "none") ||
		p->cluster.members.n == 1 || p->role == PLAN_ROLE_SINGLE)
		return 0;
	return err_set(e, ERR_DECLINED,
		"the plan tells the token, so masters that restore different snapshots could join "
		"each other: pin it (snapshot: {sha256: ..}), name a gate, leave cluster.token "
		"out, or have a person run it");
}

static int stage(struct run *r, struct err *e)
{
	const struct journal about = { .generation = r->plan->generation,
		.plan_digest = r->plan_digest,
		.version = VERSION,
		.layout = r->rewrite.node.layout ? r->rewrite.node.layout->name : NULL,
		.began = time(NULL) };
	int64_t began = monotonic_ms();

	if (make_writable(r, e) || commit_begin(&r->commit, &about, e))
		return e->code;
	if (run_restores(r) && run_members(r, e))
		return e->code;
	r->took_ms[RUN_FETCH] = monotonic_ms() - began;
	began = monotonic_ms();
	if ((r->stopped && r->stopped(r->ctx, e)) ||
		(run_restores(r) ? run_files(r, e) : run_role_stage(r, e)))
		return e->code;
	/* A volume that is attached for this goes before anything is committed: whoever finds the
	 * restore done looks for none. */
	choose_close(&r->choose);
	if (commit_prepare(&r->commit, e))
		return e->code;
	r->took_ms[RUN_REWRITE] = monotonic_ms() - began;
	return 0;
}

/* What was staged is no use to anybody; the first error is the one to tell. */
static void abandon(struct run *r)
{
	const enum journal_phase phase = r->commit.journal.phase;
	struct err ignored = { 0 };

	if (r->site.writable && (phase == JOURNAL_INTENT || phase == JOURNAL_PREPARED))
		commit_abandon(&r->commit, &ignored);
}

static int restore(struct run *r, struct err *e)
{
	const bool whole = run_restores(r), shown = r->dry_run && r->until == RUN_IDENTIFY;

	if (whole && !shown && (check_token(r, e) || run_overlay(r, e) || choose(r, e)))
		return e->code;
	if (r->dry_run) {
		r->outcome = RUN_REHEARSED;
		return 0;
	}
	if (r->confirm && r->confirm(r->ctx, r, e))
		return e->code;
	const bool bad = stage(r, e) || (whole && r->until >= RUN_GATE && run_gate(r, e));
	run_drop(r);
	if (bad && r->outcome != RUN_HOLDING)
		abandon(r);
	if (bad)
		return e->code;
	if (r->until <= RUN_GATE) {
		r->outcome = RUN_STAGED;
		return 0;
	}
	if (finish(r, commit_go, e))
		return e->code;
	if (whole)
		run_tell_gate(r);
	return 0;
}

int plan_run(struct run *r, struct err *e)
{
	const int64_t began = monotonic_ms();
	enum decision d;

	r->outcome = RUN_UNTOUCHED;
	r->role = r->plan->role;
	r->held = r->config = NO_ROOT;
	const int bad = run_digest(r, e) || identify(r, e) || decide(&d, r, e);
	r->took_ms[RUN_IDENTIFY] = monotonic_ms() - began;
	if (bad && r->site.interrupted)
		r->outcome = RUN_UNFINISHED;
	if (bad)
		return e->code;
	if (r->site.settled && d == DECIDED_RESTORE)
		return err_set(e, ERR_NOTFOUND,
			"what this program has done here was taken back, and no control plane is "
			"recognised");
	return d == DECIDED_DONE     ? look_again(r, e)
	       : d == DECIDED_RESUME ? resume(r, e)
				     : restore(r, e);
}

void plan_run_close(struct run *r)
{
	run_drop(r);
	kube_pki_forget(&r->pki);
	if (r->gate)
		gate_close(r->gate);
	choose_close(&r->choose);
	settings_free(&r->settings);
	root_close(&r->held);
	site_close(&r->site);
	root_close(&r->config);
}
