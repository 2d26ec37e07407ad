/* plan/run_finish.h - the parts of plan/run_finish.c
 *
 *   run_finish_start   what starts `etcd-rescue finish` on this system
 *
 * Source:     design of the first boot; the manuals of systemd, OpenRC, upstart and cron.
 * Units:      none.
 * Ownership:  what is added to the record lives in the run's arena.
 * Errors:     those of the commit.
 */
#pragma once

#include "plan/finish_record.h"
#include "plan/run.h"

/* Into the commit, and into the record's `files`. */
int run_finish_start(struct run *run, struct finish_record *record, struct err *e);
