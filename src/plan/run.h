/* plan/run.h - the main job: a dead master's disk in, a restored one out
 *
 *   identify  which node, by plan, machine, disk                     plan/identify.h
 *   target    the disk that holds it, and what a journal there says  plan/site.h
 *   snapshot  which one                                              plan/choose.h
 *   fetch     into a staged database, proved                         run_member.c
 *   member    edits, write-ahead log, raft snapshot, beside the old  run_member.c
 *   rewrite   configuration, staged                                  run_files.c
 *   gate      survivors, the other masters                           plan/survivors.h, gate.h
 *   commit                                                           target/commit.h
 *
 * A node that joins, stands aside or is but purged gets no database, and asks nobody: its commit
 * takes the old member away and leaves the rest to the first boot       run_role.c, run_join.c
 *
 * What was decided before anything was written is the resolved plan; its SHA-256 is the plan id.
 *
 * What a journal on the disk means:
 *
 *   none, intent, prepared    a restore begins; what is staged is dropped
 *   committing                goes on where it stopped, whatever the plan
 *   committed, same plan      nothing is written, unless the generation is higher
 *   committed, another plan   refused, unless the generation is higher
 *   rolling-back              the way back is gone to its end first
 *   rolled-back               a person did that: restored by a higher generation only
 *
 * `again`, typed by a person, is as good as a higher generation.
 *
 * Source:     design of the nine steps.
 * Units:      bytes, milliseconds where the name says _ms.
 * Ownership:  plan_run_close gives descriptors back and unmounts; the rest lives in the arena.
 * Errors:     those of the steps; run.outcome says what is true of the target afterwards.
 */
#pragma once

#include "codec/sha256.h"
#include "etcd/datadir.h"
#include "etcd/edit.h"
#include "kube/pki.h"
#include "plan/bundle.h"
#include "plan/choose.h"
#include "plan/rewrite.h"
#include "plan/role.h"
#include "plan/settings.h"
#include "plan/site.h"
#include "plan/stored.h"

enum run_step {
	RUN_IDENTIFY,
	RUN_SNAPSHOT,
	RUN_FETCH,
	RUN_REWRITE,
	RUN_GATE,
	RUN_COMMIT,
	RUN_STEPS,
};

enum run_outcome {
	RUN_UNTOUCHED, /* failed, or refused input: as it was before */
	RUN_RESTORED,  /* now, or by what was left to do of an earlier run */
	RUN_ALREADY,   /* restored before by this plan; nothing was written */
	RUN_REHEARSED, /* a dry run found no blocker */
	RUN_STAGED,    /* up to the step that was asked for */
	RUN_ROLLED_BACK,
	RUN_UNFINISHED, /* the journal says how far it went */
	RUN_HOLDING,    /* at the gate, old state intact */
	RUN_REFUSED,    /* another cluster, older generation, live survivor */
};

struct run_snapshot {
	const char *shown, *reason; /* its address without secrets; why this one */
	uint64_t size, entries;
	int64_t revision;
	bool verified; /* by its trailer */
	uint8_t sha256[CODEC_SHA256_SIZE];
};

/* One etcd of the node. */
struct run_cluster {
	const struct plan_target_cluster *target;
	struct commit_place data, wal; /* the directories themselves */
	bool moved; /* old and new do not fit side by side: both are laid down in `aside` */
	struct commit_place aside;
	struct root stage, wal_stage;
	const char *inside, *wal_inside; /* of the stages, below their roots */
	struct etcd_datadir dir;
	struct codec_block_sums sums; /* of the staged database */
	struct run_snapshot snapshot;
	struct plan_stored stored;
	bool has_snapshot;
	struct kube_members members;
	const char *members_from, *name, *token;
	struct etcd_cluster cluster;
	const struct etcd_member *own; /* NULL: of a node that joins, not known before */
	struct kube_texts own_urls;    /* of a node that joins: its peer URLs */
	struct kube_texts seeds;       /* client URLs of the others */
	const char *listed;            /* and what its files say for --initial-cluster */
	struct kube_texts files;       /* which say that, where the first boot finds them */
	struct etcd_edits edits;
	struct etcd_edited edited;
	char edits_digest[65];
};

struct run {
	/* set before */
	struct arena *arena;
	struct root *machine;
	const struct listener *listener;
	const struct plan *plan;
	const struct plan_machine *who; /* NULL: a tree of some other machine */
	const char *dir;                /* a mounted tree; NULL: the machine's disks */
	bool dry_run, again, unattended;
	uint64_t hold_ms;    /* at the gate; 0: as is usual */
	bool force;          /* another cluster's snapshot, or one that this disk has no keys for */
	enum run_step until; /* RUN_COMMIT: all of it; RUN_GATE: staged, old state in place;
				RUN_IDENTIFY with dry_run: no snapshot is looked for */
	int (*stopped)(void *ctx, struct err *e);
	void *ctx;
	/* Before the first byte is written; NULL: nobody is asked. */
	int (*confirm)(void *ctx, const struct run *run, struct err *e);
	/* For the passphrase of an encrypted disk; NULL: nobody is asked. */
	int (*ask)(void *ctx, struct buf *secret, const struct target_question *question,
		struct err *e);
	/* Once the target is writable: where a log may go. */
	void (*writable)(void *ctx, const struct site *site);

	/* found and done */
	enum run_outcome outcome;
	enum plan_role role; /* what this node does; AUTO before that is known */
	struct site site;
	struct plan_rewrite rewrite;
	struct commit commit;
	struct digest_known known[2]; /* the staged databases */
	struct root held;             /* against a second program on this disk */
	struct settings settings;
	struct choose choose;
	struct gate_place *gate; /* NULL: there is none */
	struct run_cluster *clusters;
	size_t n_clusters;
	struct kube_pki pki; /* what is issued anew */
	bool fresh; /* no control plane was here; its configuration comes from the plan's pki: */
	struct plan_bundle bundle;
	struct root config;                 /* of a fresh master, in memory */
	struct plan_bundle_file *resources; /* of static pods, that the backup brings */
	size_t n_resources;
	bool has_settings;
	char plan_digest[65], plan_id[65];
	bool served; /* RUN_ALREADY: etcd ran on it since */
	int64_t took_ms[RUN_STEPS];
};

int plan_run(struct run *run, struct err *e);
void plan_run_close(struct run *run);

const char *plan_run_outcome(enum run_outcome outcome); /* "restored", "already-restored" */
const char *plan_run_step(enum run_step step);          /* "identify", ... */

/* The parts; for plan/run*.c alone. */
#define RUN_NEW_DATA "new" /* what is made in the stages */
#define RUN_NEW_WAL  "new-wal"
int run_digest(struct run *run, struct err *e);
bool run_restores(const struct run *run); /* or does this node's role need no snapshot? */
const char *run_role_word(const struct run *run);
int run_role_of_node(struct run *run, struct err *e); /* with the plan's recovery-host */
/* A node without an etcd: run->site.bare; where it is none, what `e` said, or 0 of a settled disk.
 */
int run_bare(struct run *run, struct err *e);
int run_overlay(struct run *run, struct err *e);     /* may a log of its own be where it is? */
int run_role_decide(struct run *run, struct err *e); /* what a role without a snapshot does */
int run_role_stage(struct run *run, struct err *e);  /* into the commit */
int run_pods(struct run *run, struct err *e);        /* the kubelet's directories of pods */
int run_join_decide(struct run *run, struct err *e); /* members, seeds, configuration */
int run_join_stage(struct run *run, struct err *e);
int run_signer(struct run *run, struct err *e); /* certificates from the snapshot's signers */
struct bolt_db;
/* "NAMESPACE/NAME", a Secret; `cert` is what it says, for the arena. */
int run_signer_ca(struct kube_ca **ca, struct str *cert, struct arena *a, const struct bolt_db *db,
	const char *secret, struct err *e);
int run_choose(struct run *run, struct err *e); /* the places where snapshots are */
const char *run_held_name(const struct run *run, const char *path); /* below that */
int run_resolve(struct run *run, struct err *e);   /* the plan's id, into the journal */
int run_add_files(struct run *run, struct err *e); /* what changes, but what waits */
bool run_is_unit(const char *fence);
int run_hold_service(struct run *run, const char *unit, struct err *e); /* while it commits */
int run_result(struct buf *out, const struct kube_file *f, struct err *e);
int run_member_name(struct run *run, struct run_cluster *c, struct err *e); /* c->name */
int run_settings(struct run *run, struct err *e); /* of its sources, once */
int run_fresh(struct run *run, struct err *e);    /* `e` says why there is no control plane */
int run_fresh_files(struct run *run, struct err *e);
unsigned run_fresh_mode(const struct run *run, const char *path); /* of one that is not there */
bool run_has(const struct run *run, const char *path); /* a change, a fence, a certificate */
int run_room(struct run *run, struct run_cluster *c, struct err *e); /* beside, or aside */
/* `watched` is the database of `from`; ERR_SPACE before it fills the file system to the brim. */
struct run_room {
	const struct run *run;
	const struct run_cluster *cluster;
	const struct stream *from;
	uint64_t free_bytes, reserve, size; /* `size` came so far */
};
int run_room_watch(struct stream *watched, struct run_room *room, const struct run *run,
	const struct run_cluster *c, const struct stream *from, struct err *e);
int run_room_left(const struct run *run, const struct run_cluster *c, struct err *e);
int run_members(struct run *run, struct err *e);   /* places, stages, databases, members */
int run_resources(struct run *run, struct err *e); /* of static pods, beside the database */
int run_resources_files(struct run *run, struct err *e);
int run_pki(struct run *run, struct err *e); /* which certificates have to be made again */
int run_pki_files(struct run *run, struct err *e);
bool run_pki_has(const struct run *run, const char *path);
const char *run_pki_text(const struct run *run, const char *path); /* NULL: is not issued */
int run_finish(struct run *run, struct err *e);                    /* what the first boot needs */
struct finish_record;
int run_hold(
	struct run *run, struct finish_record *record, struct err *e); /* what waits for etcd */
int run_join_hold(struct run *run, struct finish_record *record, struct err *e);
/* A kubeconfig for the first boot, where the disk has none that would do; what is missing for it is
 * a warning. */
int run_admit(struct run *run, struct finish_record *record, struct err *e);
void run_known(struct finish_record *record, struct run *run); /* Nodes, and kubeconfigs */
const char *run_state_there(const struct run *run); /* STATE, as the running system has it */
bool run_finish_holds(const struct run *run, const char *path); /* a static pod that waits */
int run_gate(struct run *run, struct err *e);  /* survivors, and the other masters */
void run_tell_gate(struct run *run);           /* that we have committed */
void run_drop(struct run *run);                /* descriptors of what was staged */
int run_files(struct run *run, struct err *e); /* configuration, plan id, all into the commit */
