/* cmd/signals.h - a person's Ctrl-C ends what goes on, and takes back what was staged
 *
 * The first signal is only noted, for who asks now and then; a second one kills.
 *
 * Source:     sigaction(2).
 * Units:      none.
 * Ownership:  one note a process.
 * Errors:     signals_go_on: ERR_DECLINED once a signal came.
 */
#pragma once

#include "base/err.h"

void signals_notice(void);
int signals_go_on(void *ctx, struct err *e);
int signals_number(void); /* 0: none came */
