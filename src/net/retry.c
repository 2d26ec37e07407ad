#include "net/retry.h"

bool retry_worth(enum err_code code, unsigned status)
{
	switch (status) {
	case 408: /* the server waited for us */
	case 425:
	case 429: /* too many at once: all masters boot together */
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		/* Connections break; what was answered clearly is answered. */
		return code == ERR_NET;
	}
}

unsigned retry_wait_ms(unsigned n, unsigned asked_ms, unsigned dice)
{
	static const unsigned waits[] = { 500, 1000, 2000, 4000, 8000, 15000 };
	const unsigned last = sizeof waits / sizeof *waits - 1;
	const unsigned wait = waits[n <= 1 ? 0 : n - 1 < last ? n - 1 : last];

	if (asked_ms)
		return asked_ms < 60000 ? asked_ms : 60000;
	return wait + dice % (wait / 4);
}
