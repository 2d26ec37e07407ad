/* [ .. ] and test: numbers, texts, files, and what joins them. */
#include <stdlib.h>
#include <string.h>

#include "target/boot_entry_grub.h"

bool boot_grub_is_one(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(word, list[i]))
			return true;
	}
	return false;
}

bool boot_grub_sees(struct boot_grub *g, const char *path)
{
	struct boot_file file;

	return *path && boot_locate(&file, g->arena, g->roots, path);
}

struct test {
	struct boot_grub *g;
	const struct boot_words *w;
	size_t i, end;
	unsigned depth;
	bool bad;
};

static bool test_or(struct test *t);

static bool compare_numbers(const char *op, const char *a, const char *b)
{
	const long x = strtol(a, NULL, 0), y = strtol(b, NULL, 0);

	return !strcmp(op, "-eq")   ? x == y
	       : !strcmp(op, "-ne") ? x != y
	       : !strcmp(op, "-lt") ? x < y
	       : !strcmp(op, "-le") ? x <= y
	       : !strcmp(op, "-gt") ? x > y
				    : x >= y;
}

static bool test_one(struct test *t)
{
	static const char *const numbers[] = { "-eq", "-ne", "-lt", "-le", "-gt", "-ge" };
	const char *const *v = t->w->v + t->i;
	const size_t left = t->end - t->i;

	if (!left || t->depth > BOOT_GRUB_DEPTH) {
		t->bad = left > 0;
		return false;
	}
	if (left >= 3 && (!strcmp(v[1], "=") || !strcmp(v[1], "==") || !strcmp(v[1], "!="))) {
		t->i += 3;
		return !strcmp(v[0], v[2]) == (v[1][0] == '=');
	}
	if (left >= 3 && BOOT_IS_ONE(v[1], numbers)) {
		t->i += 3;
		return compare_numbers(v[1], v[0], v[2]);
	}
	if (!strcmp(v[0], "!") && left > 1) {
		t->i++;
		t->depth++;
		const bool is = test_one(t);
		t->depth--;
		return !is;
	}
	if (!strcmp(v[0], "(")) {
		t->i++;
		t->depth++;
		const bool is = test_or(t);
		t->depth--;
		t->bad |= t->i >= t->end || strcmp(t->w->v[t->i], ")") != 0;
		t->i += !t->bad;
		return is;
	}
	if (v[0][0] == '-' && v[0][1] && !v[0][2] && left >= 2) {
		t->i += 2;
		switch (v[0][1]) {
		case 'n':
			return *v[1];
		case 'z':
			return !*v[1];
		case 'e':
		case 'f':
		case 's':
			return boot_grub_sees(t->g, v[1]);
		case 'd':
			return root_exists(t->g->roots->root, v[1]) ||
			       (t->g->roots->boot && root_exists(t->g->roots->boot, v[1]));
		default:
			t->bad = true;
			return false;
		}
	}
	t->i++;
	return *v[0];
}

static bool test_and(struct test *t)
{
	bool is = test_one(t);

	while (!t->bad && t->i < t->end && !strcmp(t->w->v[t->i], "-a")) {
		t->i++;
		is = test_one(t) && is;
	}
	return is;
}

static bool test_or(struct test *t)
{
	bool is = test_and(t);

	while (!t->bad && t->i < t->end && !strcmp(t->w->v[t->i], "-o")) {
		t->i++;
		is = test_and(t) || is;
	}
	return is;
}

int boot_grub_test(struct boot_grub *g, const struct boot_at *at, unsigned line,
	const struct boot_words *w, struct err *e)
{
	struct test t = { g, w, 1, w->n, 0, false };

	if (!strcmp(w->v[0], "[")) {
		if (strcmp(w->v[w->n - 1], "]") != 0)
			return err_set(
				e, ERR_FORMAT, "%s:%u: '[' without ']'", at->script->origin, line);
		t.end--;
	}
	g->status = test_or(&t);
	return t.bad || t.i != t.end ? boot_grub_unknown(e, at, line, "this condition") : 0;
}
