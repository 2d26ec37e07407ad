/* Shell completion, printed from the applet and option tables. */
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

/* The list of "NAME) words" arms both shells share. */
static int arms(struct buf *out, struct err *e)
{
	for (const struct applet *const *a = applets; *a; a++) {
		if (buf_print(out, e, "\t'%s') words=\"", (*a)->name) ||
			words_of(out, (*a)->options, e) || words_of(out, option_common_rows, e) ||
			buf_print(out, e, "\" ;;\n"))
			return e->code;
	}
	return 0;
}

static int names(struct buf *out, struct err *e)
{
	for (const struct applet *const *a = applets; *a; a++) {
		if (buf_print(out, e, "%s%s", a == applets ? "" : " ", (*a)->name))
			return e->code;
	}
	return 0;
}

static int bash(struct buf *out, struct err *e)
{
	if (buf_print(out, e,
		    "# bash completion of etcd-rescue; source this file\n"
		    "_etcd_rescue() {\n"
		    "\tlocal words=\"\" cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
		    "\tlocal two=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\"\n"
		    "\t[ \"$COMP_CWORD\" -gt 1 ] || words=\"") ||
		names(out, e) || buf_print(out, e, "\"\n\tcase \"${COMP_WORDS[1]}\" in\n") ||
		arms(out, e) || buf_print(out, e, "\tesac\n\tcase \"$two\" in\n") || arms(out, e) ||
		buf_print(out, e,
			"\tesac\n"
			"\tmapfile -t COMPREPLY < <(compgen -f -W \"$words\" -- \"$cur\")\n"
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
