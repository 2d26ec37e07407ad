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

bool kube_args_run(const struct kube_args *args, const char *name)
{
	for (size_t i = 0; i < args->n; i++) {
		if (!is_operator(&args->v[i]) && str_is(base_name(args->v[i].text), name))
			return true;
	}
	return false;
}
