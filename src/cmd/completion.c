/* Shell completion, printed from the applet and option tables. */
#include <stdbool.h>
#include <string.h>

#include "cmd/applets.h"

struct completion_options {
	struct option_common common;
};

static int words_of(struct buf *out, const struct option_row *rows, struct err *e)
{
	for (const struct option_row *r = rows; r->name; r++) {
		if (buf_print(out, e, " --%s", r->name))
			return e->code;
	}
	return 0;
}

/* Where the first word of a name ends: at its end, or where a family such as "snapshot" does. */
static size_t first_len(const char *name)
{
	return strcspn(name, " ");
}

/* The first applet of its family; the others need not be named again. */
static bool is_first(const struct applet *const *a)
{
	const size_t len = first_len((*a)->name);

	return a == applets || first_len(a[-1]->name) != len ||
	       strncmp(a[-1]->name, (*a)->name, len) != 0;
}

static int first_words(struct buf *out, struct err *e)
{
	for (const struct applet *const *a = applets; *a; a++) {
		if (is_first(a) &&
			buf_print(out, e, "%.*s ", (int)first_len((*a)->name), (*a)->name))
			return e->code;
	}
	return buf_print(out, e, "--help --version");
}

/* What may follow a family's name, which may be a command itself. */
static int families(struct buf *out, struct err *e)
{
	for (const struct applet *const *a = applets; *a; a++) {
		const size_t len = first_len((*a)->name);
		if ((*a)->name[len] &&
			buf_print(out, e,
				"\t\t[ \"${COMP_WORDS[1]}\" != '%.*s' ] || words=\"$words%s\"\n",
				(int)len, (*a)->name, (*a)->name + len))
			return e->code;
	}
	return 0;
}

/* The options of each command, after which a file may stand as well. */
static int arms(struct buf *out, bool two_words, struct err *e)
{
	for (const struct applet *const *a = applets; *a; a++) {
		if (!strchr((*a)->name, ' ') == two_words)
			continue;
		if (buf_print(out, e, "\t\t'%s') files=-f words=\"", (*a)->name) ||
			words_of(out, (*a)->options, e) || words_of(out, option_common_rows, e) ||
			buf_print(out, e, "\" ;;\n"))
			return e->code;
	}
	return 0;
}

/* Nothing here that zsh's bashcompinit does not know: no mapfile, no process substitution. */
static int bash(struct buf *out, struct err *e)
{
	if (buf_print(out, e,
		    "# completion of etcd-rescue; source this file\n"
		    "_etcd_rescue() {\n"
		    "\tlocal words=\"\" files=\"\" word=\"\" cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
		    "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords=\"") ||
		first_words(out, e) ||
		buf_print(out, e, "\"\n\telse\n\t\tcase \"${COMP_WORDS[1]}\" in\n") ||
		arms(out, false, e) ||
		buf_print(out, e, "\t\tesac\n\tfi\n\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n") ||
		families(out, e) ||
		buf_print(out, e,
			"\telif [ \"$COMP_CWORD\" -gt 2 ]; then\n"
			"\t\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n") ||
		arms(out, true, e) ||
		buf_print(out, e,
			"\t\tesac\n\tfi\n"
			"\tCOMPREPLY=()\n"
			"\twhile IFS= read -r word; do\n"
			"\t\t[ -z \"$word\" ] || COMPREPLY+=(\"$word\")\n"
			"\tdone <<EOF\n"
			"$(compgen $files -W \"$words\" -- \"$cur\")\n"
			"EOF\n"
			"}\n"
			"complete -o filenames -F _etcd_rescue etcd-rescue\n"))
		return e->code;
	return 0;
}

static int zsh(struct buf *out, struct err *e)
{
	if (buf_print(out, e, "#compdef etcd-rescue\nautoload -U bashcompinit\nbashcompinit\n"))
		return e->code;
	return bash(out, e);
}

static int completion_run(struct app *app, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(1 << 20);
	const char *shell = app->operands[0];

	if (strcmp(shell, "bash") && strcmp(shell, "zsh"))
		return err_set(e, ERR_USAGE, "completion: '%s' is not bash or zsh", shell);
	if (strcmp(shell, "bash") ? zsh(&out, e) : bash(&out, e))
		return e->code;
	return app_print(&out, e);
}

static const struct option_row options[] = { { 0 } };

const struct applet applet_completion = {
	.name = "completion",
	.purpose = "print the completion file of a shell",
	.operands = "bash|zsh",
	.options = options,
	.options_size = sizeof(struct completion_options),
	.min_operands = 1,
	.max_operands = 1,
	.run = completion_run,
};
