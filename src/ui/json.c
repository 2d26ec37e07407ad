#include "ui/json.h"

#include <unistd.h>

#include "codec/json.h"

static void hear(void *ctx, const struct event *ev)
{
	CLEAN_BUF struct buf out = BUF(64 * 1024);
	struct json j = JSON(&out);
	struct err e;

	json_open(&j, '{');
	json_key_text(&j, "event", event_word(ev->kind));
	json_key_text(&j, "step", ev->step);
	if (ev->text)
		json_key_text(&j, "text", ev->text);
	if (ev->kind == EVENT_PROGRESS) {
		json_key_u64(&j, "done", ev->done);
		json_key_u64(&j, "total", ev->total);
	}
	json_close(&j, '}');
	if (json_end(&j, &e) || buf_add(&out, "\n", 1, &e))
		return;
	ssize_t n = write(*(const int *)ctx, out.p, out.len);
	(void)n; /* as for a console: nobody is left to tell */
}

struct listener ui_json_listener(int *fd)
{
	return (struct listener){ hear, fd };
}
