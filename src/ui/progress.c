#include "ui/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MARK_EVERY_MS = 1250, LEAST_MS = 200 };

void progress_take(struct progress *p, uint64_t now_ms, uint64_t done, uint64_t total)
{
	if (p->n && (done < p->done || now_ms < p->marks[p->n - 1].ms))
		p->n = 0;
	p->done = done;
	p->total = total;
	if (!p->n) {
		p->rate = 0;
		p->marks[p->n].ms = now_ms;
		p->marks[p->n++].done = done;
		return;
	}
	const uint64_t ms = now_ms - p->marks[0].ms;
	if (ms >= LEAST_MS)
		p->rate = (done - p->marks[0].done) * 1000 / ms;
	if (now_ms - p->marks[p->n - 1].ms < MARK_EVERY_MS)
		return;
	if (p->n == PROGRESS_MARKS)
		memmove(p->marks, p->marks + 1, --p->n * sizeof *p->marks);
	p->marks[p->n].ms = now_ms;
	p->marks[p->n++].done = done;
}

uint64_t progress_left(const struct progress *p)
{
	if (!p->total || p->done > p->total)
		return UINT64_MAX;
	if (p->done == p->total)
		return 0;
	return p->rate ? (p->total - p->done + p->rate - 1) / p->rate : UINT64_MAX;
}

static void amount(char *text, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	uint64_t unit = 1;
	unsigned i = 0;

	while (i < 6 && bytes / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	if (i && bytes / unit < 10)
		snprintf(text, size, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit,
			bytes % unit * 10 / unit, units[i]);
	else
		snprintf(text, size, "%" PRIu64 " %s", bytes / unit, units[i]);
}

static void duration(char *text, size_t size, uint64_t s)
{
	if (s < 120)
		snprintf(text, size, "%" PRIu64 " s", s);
	else if (s < 2 * 3600)
		snprintf(text, size, "%" PRIu64 " min", s / 60);
	else
		snprintf(text, size, "%" PRIu64 " h", s / 3600);
}

void progress_line(char line[PROGRESS_LINE], const struct progress *p, const char *step)
{
	char done[24], total[24], rate[24], left[40];
	int n;

	amount(done, sizeof done, p->done);
	n = snprintf(line, PROGRESS_LINE, "%.40s: %s", step, done);
	if (p->total && p->done <= p->total) {
		const uint64_t percent =
			p->total >= 100 ? p->done / (p->total / 100) : p->done * 100 / p->total;
		amount(total, sizeof total, p->total);
		n += snprintf(line + n, (size_t)(PROGRESS_LINE - n), " of %s (%" PRIu64 " %%)",
			total, percent > 100 ? 100 : percent);
	}
	if (p->rate) {
		amount(rate, sizeof rate, p->rate);
		n += snprintf(line + n, (size_t)(PROGRESS_LINE - n), ", %s/s", rate);
	}
	const uint64_t seconds = progress_left(p);
	if (seconds && seconds != UINT64_MAX) {
		duration(left, sizeof left, seconds);
		snprintf(line + n, (size_t)(PROGRESS_LINE - n), ", %s left", left);
	}
}
