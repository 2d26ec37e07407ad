/* Encrypted disks are opened once before a restore, read-only, to learn which passphrases fit: the
 * restore is a program without a terminal. */
#include <string.h>

#include "cmd/console.h"
#include "cmd/entered.h"
#include "cmd/passphrase.h"
#include "os/file.h"
#include "plan/file.h"

enum { PROBE_MS = 12000 };

struct dialogue {
	struct passphrase passphrase;
	struct err gave_up;
};

static int ask(void *ctx, struct buf *secret, const struct target_question *q, struct err *e)
{
	struct dialogue *d = ctx;

	if (d->gave_up.code)
		return err_set(e, ERR_NOTFOUND, "given up");
	if (passphrase_ask(&d->passphrase, secret, q, e) && e->code == ERR_DECLINED)
		d->gave_up = *e;
	return e->code;
}

/* That it takes a while is no news; what does not work is. */
static void hear(void *ctx, const struct event *event)
{
	struct prompt *prompt = ctx;

	if (event->kind == EVENT_WARNING && event->text)
		prompt_say(prompt, "%s\n", event->text);
}

static bool read_storage(
	struct target_assemble_options *to, struct console_screen *c, const char *path)
{
	CLEAN_BUF struct buf text = BUF(PLAN_FILE_MAX);
	struct plan *plan = arena_alloc(c->app->arena, sizeof *plan);
	struct err none = { 0 };

	if (file_read(&text, &c->app->root, path, &none) ||
		plan_read(plan, c->app->arena, buf_text(&text), "the plan", &none))
		return false;
	to->luks_key = plan->storage.luks_key;
	to->degraded = plan->storage.degraded;
	return true;
}

int console_unlock(struct console_screen *c, const char *plan, struct err *e)
{
	struct arena *a = c->app->arena;
	const struct listener listener = { hear, &c->prompt };
	struct dialogue d = { .passphrase = {
				      .arena = a, .dir = c->entered, .prompt = &c->prompt } };
	struct target_assemble_options storage = {
		.probe_ms = PROBE_MS, .listener = &listener, .ask = ask, .ctx = &d
	};
	struct target_assembly as = NO_ASSEMBLY;

	/* The disks of a machine in service are nobody's business here. */
	if (!root_exists(&c->app->root, "etc/etcd-rescue/manifest") ||
		!read_storage(&storage, c, *plan ? plan : c->found))
		return 0;
	prompt_say(&c->prompt, "looking at the disks ...\n");
	if (!target_assemble(&as, a, &c->app->root, &storage, e))
		passphrase_keep(a, c->entered, c->who, &as, e);
	target_disassemble(&as);
	if (d.gave_up.code)
		*e = d.gave_up;
	if (e->code)
		entered_wipe(c->entered, c->who);
	return e->code;
}
