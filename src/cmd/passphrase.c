#include "cmd/passphrase.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/entered.h"
#include "os/file.h"
#include "os/names.h"
#include "os/root.h"
#include "plan/schema.h"
#include "ui/prompt.h"

enum { TYPED_MAX = 512, TRIES = 3, MIB = 1 << 20 };

/* Its full size at once: a buffer that grows leaves copies behind. */
static int put(struct buf *secret, struct span text, struct err *e)
{
	uint8_t *at;

	return buf_extend(&at, secret, text.len, e) ? e->code : (memcpy(at, text.p, text.len), 0);
}

/* True once a file. */
static bool read_kept(struct passphrase *p, struct buf *secret, const char *uuid)
{
	CLEAN_ROOT struct root dir = NO_ROOT;
	struct names names;
	struct err none;
	const struct str end = str_from(arena_print(p->arena, "-luks-%s", uuid));
	bool found = false;

	if (!p->dir || root_open(&dir, p->dir, &none) ||
		names_read(&names, p->arena, &dir, ".", &none))
		return false;
	for (size_t i = 0; i < names.n && !found; i++) {
		struct buf text = BUF(TYPED_MAX);
		if (!str_ends(str_from(names.v[i]), end) ||
			(p->read && strcmp(names.v[i], p->read) <= 0))
			continue;
		found = !file_read(&text, &dir, names.v[i], &none) && text.len &&
			!put(secret, buf_span(&text), &none);
		if (text.p)
			explicit_bzero(text.p, text.room);
		buf_free(&text);
		p->read = names.v[i];
	}
	return found;
}

static int ask_on(
	struct prompt *prompt, struct buf *secret, const struct target_question *q, struct err *e)
{
	char typed[TYPED_MAX] = "", text[128];

	if (q->again)
		prompt_say(prompt, "That does not open it, try %u of %d.\n", q->again + 1, TRIES);
	else
		prompt_say(prompt,
			"\n%s%s%s%s is an encrypted disk, and no key for it was found.\n", q->name,
			*q->label ? " (" : "", q->label, *q->label ? ")" : "");
	if (!q->again && q->memory)
		prompt_say(prompt, "Unlocking it takes %ju MiB of memory, and a while.\n",
			(uintmax_t)((q->memory + MIB - 1) / MIB));
	snprintf(text, sizeof text, "Passphrase of %.40s, or Enter to leave it locked", q->name);
	int failed = prompt_secret(prompt, typed, sizeof typed, text, e);
	if (!failed && !typed[0])
		failed = err_set(e, ERR_NOTFOUND, "no passphrase was typed");
	if (!failed)
		failed = put(secret, (struct span){ (const uint8_t *)typed, strlen(typed) }, e);
	explicit_bzero(typed, sizeof typed);
	return failed;
}

int passphrase_ask(
	void *passphrase, struct buf *secret, const struct target_question *q, struct err *e)
{
	struct passphrase *p = passphrase;
	struct prompt own;

	if (!q->again)
		p->read = NULL;
	if (read_kept(p, secret, q->uuid))
		return 0;
	if (p->prompt)
		return ask_on(p->prompt, secret, q, e);
	if (!p->terminal || !isatty(STDIN_FILENO))
		return err_set(e, ERR_NOTFOUND, "nobody can be asked here");
	prompt_start(&own, STDIN_FILENO, STDERR_FILENO);
	const int failed = ask_on(&own, secret, q, e);
	prompt_end(&own);
	return failed;
}

void passphrase_storage(
	struct target_assemble_options *storage, struct arena *a, const struct plan *plan)
{
	struct passphrase *p = arena_alloc(a, sizeof *p);

	*p = (struct passphrase){ .arena = a, .dir = ENTERED_DIR, .terminal = true };
	*storage =
		(struct target_assemble_options){ .luks_key = plan ? plan->storage.luks_key : NULL,
			.degraded = plan && plan->storage.degraded,
			.ask = passphrase_ask,
			.ctx = p };
}

int passphrase_keep(struct arena *a, const char *dir, const char *who,
	const struct target_assembly *as, struct err *e)
{
	const char *path;

	for (size_t i = 0; i < as->n; i++) {
		const struct target_layer *l = &as->v[i];
		if (l->typed && entered_file(&path, a, dir, who, arena_print(a, "luks-%s", l->uuid),
					buf_text(&l->key), e))
			return e->code;
	}
	return 0;
}
