#include "cmd/signals.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stopped_by;

static void on_signal(int number)
{
	stopped_by = number;
}

void signals_notice(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction notice = { .sa_handler = on_signal,
		.sa_flags = (int)(SA_RESTART | SA_RESETHAND) };
	struct sigaction before;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &notice, NULL);
	}
}

int signals_go_on(void *ctx, struct err *e)
{
	(void)ctx;
	if (!stopped_by)
		return 0;
	return err_set(
		e, ERR_DECLINED, "stopped by signal %d; nothing is left behind", (int)stopped_by);
}

int signals_number(void)
{
	return stopped_by;
}
