#include "ui/json.h"

#include <unistd.h>

#include "base/monotonic.h"
#include "codec/json.h"

enum { EVERY_MS = 1000 };

static void number_or_null(struct json *j, const char *key, uint64_t v, uint64_t unknown)
{
	json_key(j, key);
	if (v == unknown)
		json_null(j);
	else
		json_u64(j, v);
}

static void hear(void *ctx, const struct event *ev)
{
	struct ui_json *ui = ctx;
	CLEAN_BUF struct buf out = BUF(64 * 1024);
	struct json j = JSON(&out);
	struct err e;

	if (ev->kind == EVENT_PROGRESS) {
		const uint64_t now = (uint64_t)monotonic_ms();
		const bool is_first = !ui->progress.n;
		progress_take(&ui->progress, now, ev->done, ev->total);
		const bool is_last = ev->total && ev->done >= ev->total;
		if (!is_first && !is_last && now - ui->last_ms < EVERY_MS)
			return;
		ui->last_ms = now;
	} else {
		ui->progress.n = 0;
	}
	json_open(&j, '{');
	json_key_text(&j, "event", event_word(ev->kind));
	json_key_text(&j, "step", ev->step);
	if (ev->text)
		json_key_text(&j, "text", ev->text);
	if (ev->kind == EVENT_PROGRESS) {
		json_key_u64(&j, "done", ev->done);
		number_or_null(&j, "total", ev->total, 0);
		number_or_null(&j, "rate", ui->progress.rate, 0);
		number_or_null(&j, "left", progress_left(&ui->progress), UINT64_MAX);
	}
	json_close(&j, '}');
	if (json_end(&j, &e) || buf_add(&out, "\n", 1, &e))
		return;
	ssize_t n = write(ui->fd, out.p, out.len);
	(void)n; /* as for a console: nobody is left to tell */
}

struct listener ui_json_listener(struct ui_json *ui, int fd)
{
	*ui = (struct ui_json){ .fd = fd };
	return (struct listener){ hear, ui };
}
