/* cmd/run_report.h - the reports of a run: plan/report.h with what a command knows
 *
 *   struct run_report rr;
 *   run_report_open(&rr, app, &plan, dry_run);
 *   run.listener = &rr.listener;      every event goes on to app->listener, too
 *   run.writable calls run_report_writable(&rr, &run)
 *   plan_run(..)
 *   run_report_end(&rr, &run, status, e);    before the site is closed: its log lies there
 *   run_report_close(&rr);
 *
 * In the image events are kept in /run/etcd-rescue, behind those of the boot; on a host only
 * the target's log, syslog and the report's address get them.  A dry run tells nobody.  In the
 * image a failure leaves a post-mortem (`etcd-rescue report`) beside the target's log.
 *
 * Source:     plan/report.h.
 * Units:      none.
 * Ownership:  everything lives in the arena; plan and app must outlive it.
 * Errors:     none: each is a warning.
 */
#pragma once

#include "cmd/applets.h"
#include "plan/report.h"
#include "plan/run.h"

struct run_report {
	struct app *app;
	struct report *report;
	struct listener listener;
	struct settings settings; /* for whom https believes */
	bool in_image, on_target;
};

void run_report_open(struct run_report *rr, struct app *app, const struct plan *plan, bool dry_run);
void run_report_writable(struct run_report *rr, const struct run *run);
void run_report_end(
	struct run_report *rr, const struct run *run, int status, const struct err *why);
void run_report_close(struct run_report *rr);
