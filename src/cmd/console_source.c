/* The two dialogues of the menu that end in a plan: a source typed in, another snapshot. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cmd/console.h"
#include "cmd/entered.h"
#include "cmd/output.h"
#include "codec/doc.h"
#include "os/file.h"
#include "os/process.h"
#include "plan/file.h"
#include "plan/show.h"

enum { LIST_MS = 120000, NETWORK_MS = 200000, LIST_MAX = 4 << 20, SHOWN = 18, LINE = 320 };

static const char self[] = "/proc/self/exe";

/* One question of the dialogue. */
struct question {
	const char *text;
	char *answer;
	size_t room;
	bool secret;
};

static int ask_all(struct console_screen *c, const struct question *q, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const int failed =
			q[i].secret
				? prompt_secret(&c->prompt, q[i].answer, q[i].room, q[i].text, e)
				: prompt_ask(&c->prompt, q[i].answer, q[i].room, q[i].text, "", e);
		if (failed)
			return e->code;
	}
	return 0;
}

#define Q(text, field)                                                                             \
	{                                                                                          \
		text, in->field, sizeof in->field, false                                           \
	}
#define SECRET(text, field)                                                                        \
	{                                                                                          \
		text, in->field, sizeof in->field, true                                            \
	}

static int ask_s3(struct console_screen *c, struct entered *in, struct err *e)
{
	const struct question first[] = {
		Q("Endpoint, https://... (Enter: AWS)", endpoint),
		Q("Region (Enter: what the store says)", region),
		Q("Access key (Enter: the machine's own role)", access),
	};
	const struct question keys[] = {
		SECRET("Secret key", secret),
		SECRET("Session token (Enter: none)", session),
	};

	if (ask_all(c, first, 3, e))
		return e->code;
	return in->access[0] ? ask_all(c, keys, 2, e) : 0;
}

static int ask_https(struct console_screen *c, struct entered *in, struct err *e)
{
	const struct question user[] = { Q("User (Enter: none)", user) };
	const struct question secret[] = { SECRET("Password", secret) };

	/* A presigned address has its key in itself. */
	if (strchr(in->source, '?'))
		return 0;
	if (ask_all(c, user, 1, e))
		return e->code;
	return in->user[0] ? ask_all(c, secret, 1, e) : 0;
}

static int ask_sftp(struct console_screen *c, struct entered *in, struct err *e)
{
	const struct question questions[] = {
		Q("Host key, SHA256:... (Enter: the image's known hosts)", host_key),
		Q("Private key file (Enter: none)", identity),
		SECRET("Password, or passphrase of the key (Enter: none)", secret),
	};

	return ask_all(c, questions, 3, e);
}

static int ask(struct entered *in, struct console_screen *c, struct err *e)
{
	const struct question rest[] = {
		Q("Snapshot's name (Enter: the latest)", snapshot),
		SECRET("Passphrase of an encrypted disk (Enter: none)", luks),
		Q("Network, like ip=dhcp or ip=ADDRESS::GATEWAY:MASK::CARD:none (Enter: as it is)",
			network),
	};
	enum entered_kind kind;

	prompt_say(&c->prompt,
		"\nWhat you type stays in memory and is wiped afterwards.  Ctrl-C gives up.\n"
		"  s3://BUCKET/PREFIX  https://HOST/PATH  sftp://USER@HOST/PATH\n"
		"  dev:/dev/NAME:/PATH  label:LABEL:/PATH\n");
	for (;;) {
		if (prompt_ask(&c->prompt, in->source, sizeof in->source, "Address", "", e))
			return e->code;
		if (!in->source[0])
			return err_set(e, ERR_DECLINED, "given up");
		if (!entered_kind(&kind, in->source, e))
			break;
		prompt_say(&c->prompt, "  %s\n", e->text);
	}
	if ((kind == ENTERED_S3 && ask_s3(c, in, e)) ||
		(kind == ENTERED_HTTPS && ask_https(c, in, e)) ||
		(kind == ENTERED_SFTP && ask_sftp(c, in, e)))
		return e->code;
	return ask_all(c, rest, 3, e);
}

/* Now, so that the listing that follows can work. */
static void bring_network_up(struct console_screen *c, const char *words)
{
	CLEAN_BUF struct buf said = BUF(64 * 1024);
	const char *argv[34] = { self, "network" };
	struct str rest = str_from(words), word;
	struct err e = { 0 };
	size_t n = 2;
	int status = 0;

	while (n < 33 && str_word(&word, &rest))
		argv[n++] = arena_copy(c->app->arena, word);
	prompt_say(&c->prompt, "network: a moment ...\n");
	if (process_run(&status, argv, NETWORK_MS, &said, &e))
		prompt_say(&c->prompt, "%s\n", e.text);
	output_tame(&said);
	prompt_say(&c->prompt, "%.*s", said.len > 2000 ? 2000 : (int)said.len, (char *)said.p);
}

int console_show(struct console_screen *c, const char *const *argv, struct err *e)
{
	CLEAN_BUF struct buf said = BUF(LIST_MAX);
	int status = 0;

	if (process_run(&status, argv, LIST_MS, &said, e))
		return e->code;
	output_tame(&said);
	return prompt_page(&c->prompt, buf_text(&said), e);
}

int console_enter_source(const char **plan, struct console_screen *c, struct err *e)
{
	struct entered in = { 0 };
	char answer[16];

	*plan = "";
	if (!ask(&in, c, e))
		entered_write(plan, c->app->arena, c->entered, c->who, &in, e);
	if (!e->code && in.network[0])
		bring_network_up(c, in.network);
	explicit_bzero(&in, sizeof in);
	if (e->code)
		goto out;
	prompt_say(&c->prompt, "\nWhat lies there:\n");
	const char *const argv[] = { self, "list", "--plan", *plan, NULL };
	if (console_show(c, argv, e) || prompt_ask(&c->prompt, answer, sizeof answer,
						"\nRestore from there?  It replaces etcd on this "
						"machine.  yes, or Enter for no",
						"", e))
		goto out;
	if (strcasecmp(answer, "yes"))
		err_set(e, ERR_DECLINED, "given up");
out:
	if (e->code) {
		*plan = "";
		entered_wipe(c->entered, c->who);
	}
	return e->code;
}

/* {"event":"object","name":..,"size":..,"time":..,"age":..,"rank":1,...} */
static size_t show_candidates(
	const char *names[SHOWN], struct console_screen *c, struct str listing)
{
	struct str line;
	size_t n = 0;

	prompt_say(&c->prompt, "\n      TIME                  AGE           SIZE  NAME\n");
	while (n < SHOWN && str_next(&line, &listing, '\n')) {
		struct doc doc;
		struct err ignored;
		uint64_t age = 0, size = 0;
		if (doc_parse(&doc, c->app->arena, line, "list", DOC_JSON, DOC_LIMITS, &ignored) ||
			!str_is(doc_text(doc.root, "event"), "object") ||
			!doc_text(doc.root, "rank").len || doc_is_null(doc_get(doc.root, "rank")))
			continue;
		str_u64(&age, doc_text(doc.root, "age"), 10, UINT64_MAX);
		str_u64(&size, doc_text(doc.root, "size"), 10, UINT64_MAX);
		names[n++] = arena_copy(c->app->arena, doc_text(doc.root, "name"));
		const struct str time = doc_text(doc.root, "time");
		char text[LINE];
		snprintf(text, sizeof text, "  %2zu  %-20.*s  %4ju d %2ju h  %9s  %.30s\n", n,
			STR_ARG(time), (uintmax_t)(age / 86400), (uintmax_t)(age / 3600 % 24),
			output_size(size).text, names[n - 1]);
		prompt_say(&c->prompt, "%s", text);
	}
	return n;
}

/* The plan that was found, with this one snapshot. */
static int with_snapshot(
	const char **plan_path, struct console_screen *c, const char *name, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(PLAN_FILE_MAX), out = BUF(LIST_MAX);
	struct plan plan;

	if (file_read(&text, &c->app->root, c->found, e) ||
		plan_read(&plan, c->app->arena, buf_text(&text), "the plan", e))
		return e->code;
	plan.snapshot.name = name;
	plan.snapshot.before = 0;
	plan.snapshot.sha256 = plan.snapshot.version = NULL;
	return plan_show(&out, c->app->arena, &plan, e) ||
			       entered_file(plan_path, c->app->arena, c->entered, c->who,
				       "plan.yaml", buf_text(&out), e)
		       ? e->code
		       : 0;
}

int console_choose_snapshot(const char **plan, struct console_screen *c, struct err *e)
{
	const char *const argv[] = { self, "list", "--json", "--plan", c->found, NULL };
	CLEAN_BUF struct buf said = BUF(LIST_MAX);
	const char *names[SHOWN];
	char answer[32];
	uint64_t at = 0;
	int status = 0;

	*plan = "";
	prompt_say(&c->prompt, "looking what lies there ...\n");
	if (process_run(&status, argv, LIST_MS, &said, e))
		return e->code;
	output_tame(&said);
	const size_t n = show_candidates(names, c, buf_text(&said));
	if (!n) {
		prompt_say(&c->prompt, "%.*s\n", said.len > 1500 ? 1500 : (int)said.len,
			(char *)said.p);
		return err_set(e, ERR_NOTFOUND, "there is no snapshot to choose");
	}
	if (prompt_ask(&c->prompt, answer, sizeof answer, "Number (Enter: none of them)", "", e))
		return e->code;
	if (!str_u64(&at, str_from(answer), 10, n) || !at)
		return err_set(e, ERR_DECLINED, "given up");
	prompt_say(&c->prompt, "%s\n", names[at - 1]);
	if (prompt_ask(&c->prompt, answer, sizeof answer,
		    "Restore it?  It replaces etcd on this machine.  yes, or Enter for no", "", e))
		return e->code;
	if (strcasecmp(answer, "yes"))
		return err_set(e, ERR_DECLINED, "given up");
	return with_snapshot(plan, c, names[at - 1], e);
}
