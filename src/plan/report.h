/* plan/report.h - what happened, for whoever was not there
 *
 *   DIR/events.jsonl                                  every event, one JSON object a line
 *   TARGET/var/log/etcd-rescue/TIME-PLAN.jsonl        the same, once the disk can be written
 *   syslog: host:port                                 RFC 5424; not progress
 *   report: URL                                       one JSON object at each phase, one at the end
 *
 *   {"time":"2026-11-21T18:00:00Z","uptime_ms":5120,"event":"step","step":"fetch","text":".."}
 *   {"event":"phase","phase":"fetch","node":..,"plan":..,"time":..,"uptime_ms":..}
 *   {"event":"report","result":"done","status":0,"step":..,"reason":..,"node":..,
 *    "plan":..,"snapshot":..,"source":..,"phases":[{"name":"kernel","ms":1810},..],
 *    "total_ms":..,"ours_ms":..}
 *
 * A phase lasts from one EVENT_STEP to the next of another name.  Those of the boot process,
 * which is another one, are read back from events.jsonl; "kernel" is what passed before the
 * first event, "ask" is a person's time, and neither of them is ours.
 *
 * Nothing here holds up the restore: what goes over the network is sent by processes of their
 * own, and what their pipes do not take is lost.  No failure of reporting is more than a warning.
 *
 * Source:     RFC 5424, 5426, 6587 (octet counting); RFC 8259.
 * Units:      milliseconds since the kernel started (CLOCK_BOOTTIME).
 * Ownership:  the report lives in the arena; report_close gives the rest back.  Texts and trust
 *             of the wish are borrowed.
 * Errors:     report_target: ERR_IO, ERR_SPACE, ERR_NOTFOUND; to be told, not to be died of.
 */
#pragma once

#include "base/arena.h"
#include "base/event.h"
#include "net/trust.h"
#include "os/root.h"

#define REPORT_EVENTS "events.jsonl"

struct report_wish {
	const char *dir; /* "/run/etcd-rescue"; NULL: events are kept nowhere but on the target */
	const char *url, *syslog;  /* of the plan; NULL: none */
	const struct trust *trust; /* for https */
	const char *proxy;         /* as in net/http.h */
	bool image; /* booted from it: the kernel's start counts, and DIR's older events */
	const struct listener *next; /* hears everything, too; NULL: nobody */
};

/* What is learnt on the way; NULL: not known. */
struct report_facts {
	const char *node, *plan, *snapshot, *source;
};

struct report;
struct report *report_open(struct arena *a, const struct report_wish *wish);

struct listener report_listener(struct report *r);

/* What is not NULL counts from now on. */
void report_facts(struct report *r, const struct report_facts *facts);

/* The disk can be written: the log goes there too, what was said before first.  `dir` is below
 * `root`: "var/log/etcd-rescue"; its last two directories are made where they are missing, and no
 * link among them is followed.  report_target_end lets go of it, before it is unmounted. */
int report_target(struct report *r, const struct root *root, const char *dir, struct err *e);
void report_target_end(struct report *r);

/* A copy of a file of this machine beside the log, under the log's name and `ending`.  ERR_NOTFOUND
 * when the target holds no log. */
int report_target_copy(struct report *r, const char *path, const char *ending, struct err *e);

/* How it ended, by exit status; `why` may be NULL.  The last line, on the target too, of which it
 * lets go. */
void report_end(struct report *r, int status, const struct err *why);

/* Waits ten seconds at most for the network. */
void report_close(struct report *r);

/* The last step's name; "" before the first. */
const char *report_step(const struct report *r);
