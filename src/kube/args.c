#include "kube/args.h"

#include <string.h>

static void add(struct kube_args *args, const struct kube_arg *arg)
{
	args->v[args->n++] = *arg;
}

static struct str base_name(struct str path)
{
	for (size_t i = path.len; i; i--) {
		if (path.p[i - 1] == '/')
			return (struct str){ path.p + i, path.len - i };
	}
	return path;
}

static bool is_shell(struct str word)
{
	static const char *const shells[] = { "sh", "bash", "ash", "dash", "busybox", NULL };

	for (const char *const *s = shells; *s; s++) {
		if (str_is(base_name(word), *s))
			return true;
	}
	return false;
}

/* "-c", and with other letters "-ec", "-xec". */
static bool is_script_option(struct str word)
{
	return word.len >= 2 && word.p[0] == '-' && word.p[1] != '-' && word.p[word.len - 1] == 'c';
}

static int add_words(struct kube_args *args, struct kube_file *file, const struct doc_node *node,
	struct str text, size_t base, enum kube_dialect dialect, struct err *e)
{
	struct arena *a = file->set->arena;
	struct kube_words words;
	size_t at = 0;

	if (kube_words(&words, &at, a, text, dialect, e)) {
		struct kube_slot slot = node ? kube_slot_part(file, node, at, at, "")
					     : kube_slot_part(file, NULL, base + at, base + at, "");
		return kube_refuse(file, kube_slot_at(&slot), e, "a quote without its end");
	}
	struct kube_arg *more = arena_array(a, args->n + words.n + 1, sizeof *more);
	if (args->n)
		memcpy(more, args->v, args->n * sizeof *more);
	args->v = more;
	for (size_t i = 0; i < words.n; i++)
		add(args, &(struct kube_arg){ words.v[i].text, words.v[i].fixed, file, node,
				  &words.v[i], base, dialect });
	return 0;
}

static bool is_script(const struct kube_args *args)
{
	bool shell = false;

	for (size_t i = 0; i < args->n; i++) {
		shell = shell || is_shell(args->v[i].text);
		if (!shell)
			return false;
	}
	return args->n >= 2 && is_script_option(args->v[args->n - 1].text);
}

/* $(NAME) is the kubelet's own. */
static bool is_fixed(struct str text)
{
	size_t at;

	return !str_find(&at, text, STR("$("));
}

int kube_args_container(struct kube_args *args, struct kube_file *file,
	const struct doc_node *container, struct err *e)
{
	static const char *const lists[] = { "command", "args" };
	size_t n = 0;

	*args = (struct kube_args){ 0 };
	for (int i = 0; i < 2; i++) {
		const struct doc_node *list = doc_get(container, lists[i]);
		if (!list || doc_is_null(list))
			continue;
		if (list->kind != DOC_LIST)
			return kube_refuse(file, list->start, e, "%s is no list", lists[i]);
		n += list->n;
	}
	args->v = arena_array(file->set->arena, n + 1, sizeof *args->v);
	for (int i = 0; i < 2; i++) {
		const struct doc_node *list = doc_get(container, lists[i]);
		for (const struct doc_node *c = list ? list->first : NULL; c; c = c->next) {
			if (c->kind != DOC_SCALAR)
				return kube_refuse(file, c->start, e, "an argument is no text");
			if (!args->shell && is_script(args)) {
				args->shell = true;
				args->script = args->n;
				args->text = c->text;
				if (add_words(args, file, c, c->text, 0, KUBE_SHELL, e))
					return e->code;
				/* What follows are the script's own $0, $1, .. */
				return 0;
			}
			add(args, &(struct kube_arg){ .text = c->text,
					  .fixed = is_fixed(c->text),
					  .file = file,
					  .node = c });
		}
	}
	return 0;
}

int kube_args_text(struct kube_args *args, struct kube_file *file, size_t from, size_t to,
	enum kube_dialect dialect, struct err *e)
{
	*args = (struct kube_args){ 0 };
	args->shell = dialect == KUBE_SHELL;
	args->text = (struct str){ file->text.p + from, to - from };
	return add_words(args, file, NULL, args->text, from, dialect, e);
}

static struct kube_slot slot_of(const struct kube_arg *arg, size_t from, const char *what)
{
	struct kube_slot slot;

	if (arg->word)
		return kube_slot_word(arg->file, arg->node, arg->base, arg->word, from,
			arg->text.len, arg->dialect, what);
	slot = kube_slot_part(arg->file, arg->node, from, arg->text.len, what);
	slot.fixed = arg->fixed;
	return slot;
}

static bool is_operator(const struct kube_arg *arg)
{
	return arg->word && arg->word->operator;
}

bool kube_flag(struct kube_slot *slot, const struct kube_args *args, const char *name)
{
	struct str flag, value;
	bool found = false;

	for (size_t i = 0; i < args->n; i++) {
		const struct kube_arg *arg = &args->v[i];
		if (str_is(arg->text, "--"))
			break;
		if (!arg->text.len || arg->text.p[0] != '-' || is_operator(arg))
			continue;
		const bool has_value = str_cut(&flag, &value, arg->text, '=');
		const size_t dashes = flag.len > 1 && flag.p[1] == '-' ? 2 : 1;
		if (!str_is((struct str){ flag.p + dashes, flag.len - dashes }, name))
			continue;
		const char *what = arena_print(arg->file->set->arena, "--%s", name);
		const struct kube_arg *next = i + 1 < args->n ? &args->v[i + 1] : NULL;
		found = true;
		if (has_value) {
			*slot = slot_of(arg, flag.len + 1, what);
		} else if (next && !is_operator(next) &&
			   (!next->text.len || next->text.p[0] != '-')) {
			*slot = slot_of(next, 0, what);
		} else {
			*slot = slot_of(arg, arg->text.len, what);
			slot->in_pieces = true;
			slot->value = STR("true");
		}
	}
	return found;
}

static bool is_one(struct str word, const char *const *list)
{
	for (; *list; list++) {
		if (str_is(base_name(word), *list))
			return true;
	}
	return false;
}

/* Words before which, and programs after which, there is another command. */
static const char *const leading[] = { "if", "then", "else", "elif", "do", "while", "until", "!",
	"{", "exec", "command", "time", "trap", NULL };
static const char *const starters[] = { "env", "nice", "ionice", "chrt", "chpst", "numactl",
	"taskset", "flock", "timeout", "tini", "dumb-init", "sudo", "su-exec", "gosu", "setpriv",
	"stdbuf", "nohup", "kube-log-runner", "go-runner", NULL };

static bool is_assignment(struct str word)
{
	struct str name, value;

	return word.len && word.p[0] != '-' && word.p[0] != '/' &&
	       str_cut(&name, &value, word, '=') && name.len;
}

static const char *const users[] = { "gosu", "su-exec", NULL };

/* Without what a unit has in front of it: "-@+!:". */
static struct str bare_path(const struct kube_arg *arg)
{
	struct str path = arg->text;

	while (arg->dialect == KUBE_SYSTEMD && path.len > 1 && strchr("-@+!:", path.p[0])) {
		path.p++;
		path.len--;
	}
	return path;
}

/* Which word of the command is the program; `n`: none of them is. */
static size_t program_of(const struct kube_arg *v, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && (is_one(v[i].text, leading) || is_assignment(v[i].text)))
		i++;
	if (i < n && str_is(base_name(bare_path(&v[i])), name))
		return i;
	if (i == n || !is_one(v[i].text, starters))
		return n;
	/* Options, numbers, users and locks of their own stand before what these start:
	 * "nice -n 5 flock /run/lock gosu etcd etcd --name a". */
	for (; i < n; i++) {
		const struct str word = v[i].text, before = i ? v[i - 1].text : STR("");
		const bool of_before = (before.len && before.p[0] == '-') || is_one(before, users);
		if (!of_before && str_is(base_name(word), name))
			return i;
		if (!of_before && word.len && !strchr("-/0123456789", word.p[0]) &&
			!is_assignment(word) && !is_one(word, starters))
			break;
		if (of_before && i + 1 == n && str_is(base_name(word), name))
			return i; /* "nice -5 etcd" */
		if (of_before && str_is(base_name(word), name) && v[i + 1].text.len &&
			v[i + 1].text.p[0] == '-')
			return i;
	}
	return n;
}

static char operator_of(const struct kube_arg *arg)
{
	return is_operator(arg) ? arg->text.p[0] : 0;
}

static bool is_beside(const struct kube_arg *a, const struct kube_arg *b)
{
	return a->word->at[a->text.len - 1] + 1 == b->word->at[0];
}

/* The words of the command that begins at `*at`, without its redirections; `*at` goes behind
 * it. */
static size_t next_command(struct kube_arg *v, size_t *at, const struct kube_args *args)
{
	size_t n = 0, i = *at;

	for (; i < args->n; i++) {
		const struct kube_arg *arg = &args->v[i];
		const struct kube_arg *next = i + 1 < args->n ? arg + 1 : NULL;
		const char op = operator_of(arg);
		const bool both =
			op == '&' && next && operator_of(next) == '>' && is_beside(arg, next);
		if (!op)
			v[n++] = *arg;
		else if (op != '<' && op != '>' && !both)
			break;
		else if (both)
			continue;
		else if (next && operator_of(next)) /* ">>", ">&": the file comes behind it */
			i += i + 2 < args->n && !operator_of(arg + 2) ? 2 : 1;
		else
			i++;
	}
	*at = i + 1;
	return n;
}

int kube_args_program(
	struct kube_args *command, const struct kube_args *args, const char *name, struct err *e)
{
	bool found = false;

	*command = (struct kube_args){ .shell = args->shell, .text = args->text };
	for (size_t at = args->script; at < args->n;) {
		const struct kube_arg *first = &args->v[at];
		struct arena *a = first->file->set->arena;
		struct kube_arg *v = arena_array(a, args->n - at, sizeof *v);
		const size_t n = next_command(v, &at, args), own = program_of(v, n, name);
		size_t flags = 0;
		for (size_t i = own + 1; i < n; i++)
			flags += v[i].text.len > 1 && v[i].text.p[0] == '-' &&
				 !str_is(v[i].text, "--version") && !str_is(v[i].text, "--help");
		if (own == n || (command->v && !flags))
			continue;
		if (found)
			return kube_refuse(first->file, first->node ? first->node->start : 0, e,
				"%s is started more than once here", name);
		found = flags > 0;
		command->v = v + own;
		command->n = n - own;
	}
	return 0;
}

/* "    - " in front of a scalar that has its line for itself; empty: it has not. */
static struct str item_prefix(const struct kube_arg *arg)
{
	const struct str text = arg->file->text;
	size_t start = arg->node->start;
	struct str prefix;

	while (start && text.p[start - 1] != '\n')
		start--;
	prefix = (struct str){ text.p + start, arg->node->start - start };
	const struct str mark = str_trim(prefix);
	const bool whole =
		!arg->word && !arg->node->alias && str_is(mark, "-") &&
		!memchr(text.p + arg->node->start, '\n', arg->node->end - arg->node->start);
	return whole ? prefix : STR("");
}

/* ["a", "b"], as in JSON, where no line counts. */
static bool is_flow(const struct kube_arg *arg)
{
	const struct str all = arg->file->text;
	size_t at = arg->node->start;

	if (arg->node->end <= at + 1 || all.p[at] != '"' || all.p[arg->node->end - 1] != '"')
		return false;
	while (at && strchr(" \t\r\n", all.p[at - 1]))
		at--;
	return at && (all.p[at - 1] == '[' || all.p[at - 1] == ',');
}

static int add_flow(const struct kube_arg *arg, const char *text, const char *why, struct err *e)
{
	struct arena *a = arg->file->set->arena;
	const size_t end = arg->node->end;

	return kube_change(arg->file,
		&(struct kube_change){ .start = end,
			.end = end,
			.put = str_from(arena_print(a, ", \"%s\"", text)),
			.what = arena_print(a, "%s (new)", text),
			.new = str_from(text),
			.why = why,
			.text = str_from(text),
			.after = arg->node },
		e);
}

int kube_args_add(const struct kube_args *args, const char *name, const char *text, const char *why,
	struct err *e)
{
	const struct kube_arg *arg = NULL;

	for (size_t i = 0; i < args->n && !args->shell; i++) {
		struct str flag = args->v[i].text, value;
		const bool whole = str_cut(&flag, &value, flag, '=');
		if (!str_starts(flag, STR("--")) ||
			!str_is((struct str){ flag.p + 2, flag.len - 2 }, name))
			continue;
		/* Its value is the next one. */
		arg = whole ? &args->v[i] : i + 1 < args->n ? &args->v[i + 1] : NULL;
	}
	const struct str prefix = arg && arg->node ? item_prefix(arg) : STR("");
	if (!prefix.len && arg && arg->node && is_flow(arg))
		return add_flow(arg, text, why, e);
	if (!prefix.len)
		return kube_refuse(args->v[0].file, args->v[0].node ? args->v[0].node->start : 0, e,
			"%s cannot be put behind --%s here, which is no line of a list of its own; "
			"add it by hand",
			text, name);
	const struct str all = arg->file->text;
	size_t end = arg->node->end;
	while (end < all.len && all.p[end] != '\n')
		end++;
	const bool other = end && all.p[end - 1] == '\r';
	end -= other;
	const struct str put = str_from(arena_print(
		arg->file->set->arena, "%s\n%.*s%s", other ? "\r" : "", STR_ARG(prefix), text));
	return kube_change(arg->file,
		&(struct kube_change){ .start = end,
			.end = end,
			.put = put,
			.what = arena_print(arg->file->set->arena, "%s (new)", text),
			.new = str_from(text),
			.why = why,
			.text = str_from(text),
			.after = arg->node },
		e);
}
