/* The Boot Loader Specification, and systemd-boot which follows it. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "os/file.h"
#include "os/names.h"
#include "target/boot_entry_parts.h"

enum { ENTRY_MAX = 1 << 16 };

/* Runs of digits by value, runs of letters by bytes, all else only separates; '~' is older than
 * the end, as in every packaging tool. */
int boot_version_compare(const char *a, const char *b)
{
	for (;;) {
		while (*a && !ascii_is_word(*a) && *a != '~')
			a++;
		while (*b && !ascii_is_word(*b) && *b != '~')
			b++;
		if (*a == '~' || *b == '~') {
			if (*a != *b)
				return *a == '~' ? -1 : 1;
			a++;
			b++;
			continue;
		}
		if (!*a || !*b)
			return (*a != 0) - (*b != 0);
		const bool digits = ascii_is_digit(*a);
		if (digits != ascii_is_digit(*b))
			return digits ? 1 : -1;
		while (digits && *a == '0')
			a++;
		while (digits && *b == '0')
			b++;
		size_t n = 0, m = 0;
		while (digits ? ascii_is_digit(a[n]) : ascii_is_letter(a[n]))
			n++;
		while (digits ? ascii_is_digit(b[m]) : ascii_is_letter(b[m]))
			m++;
		if (digits && n != m)
			return n < m ? -1 : 1;
		const int order = memcmp(a, b, n < m ? n : m);
		if (order)
			return order;
		if (n != m)
			return n < m ? -1 : 1;
		a += n;
		b += m;
	}
}

void boot_bls_parse(struct boot_bls *bls, struct arena *a, struct str text)
{
	struct str line, key, rest = text;
	unsigned number = 0;

	bls->options = "";
	while (str_next(&line, &rest, '\n')) {
		number++;
		if (!str_word(&key, &line) || key.p[0] == '#')
			continue;
		const struct str value = str_trim(line);
		const struct {
			const char *key;
			const char **field;
		} fields[] = { { "title", &bls->title }, { "version", &bls->version },
			{ "sort-key", &bls->sort_key }, { "machine-id", &bls->machine },
			{ "linux", &bls->kernel }, { "efi", &bls->efi } };
		for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
			if (!str_is(key, fields[i].key))
				continue;
			*fields[i].field = arena_copy(a, value);
			if (i >= 4)
				bls->line = number;
		}
		if (str_is(key, "options"))
			bls->options = arena_print(a, "%s%s%.*s", bls->options,
				*bls->options ? " " : "", STR_ARG(value));
		/* Fedora's writes several into one line, the specification takes one a line. */
		struct str name, names = value;
		while (str_is(key, "initrd") && str_word(&name, &names) &&
			bls->n_initrds < BOOT_INITRDS_MAX)
			bls->initrds[bls->n_initrds++] = arena_copy(a, name);
	}
}

/* "x+2-1": tries left and tries made; without any left it is the last choice. */
static void take_counter(struct boot_bls *bls, struct arena *a)
{
	const char *plus = strrchr(bls->id, '+');

	if (!plus || !ascii_is_digit(plus[1]) || plus[1 + strspn(plus + 1, "0123456789-")])
		return;
	bls->bad = plus[1] == '0' && !ascii_is_digit(plus[2]);
	bls->id = arena_copy(a, (struct str){ bls->id, (size_t)(plus - bls->id) });
}

static int by_text(const char *a, const char *b)
{
	return !a || !b ? !a - !b : strcmp(a, b);
}

/* Best first: given up last; those with a sort key before those without; newest first. */
static int compare(const void *pa, const void *pb)
{
	const struct boot_bls *a = pa, *b = pb;
	int order;

	if (a->bad != b->bad)
		return a->bad ? 1 : -1;
	if (a->sort_key || b->sort_key) {
		if ((order = by_text(a->sort_key, b->sort_key)) ||
			(order = by_text(a->machine, b->machine)))
			return order;
		if (a->version && b->version &&
			(order = boot_version_compare(b->version, a->version)))
			return order;
	}
	/* ostree counts its deployments in `version`; kernels have theirs in the name as well. */
	if (!strncmp(a->id, "ostree-", 7) && !strncmp(b->id, "ostree-", 7) && a->version &&
		b->version && (order = boot_version_compare(b->version, a->version)))
		return order;
	return boot_version_compare(b->id, a->id);
}

int boot_bls_read(struct boot_bls **list, size_t *n, struct arena *a, const struct root *root,
	const char *dir, struct err *e)
{
	struct names names;

	*list = NULL;
	*n = 0;
	if (!root || names_read(&names, a, root, dir, e))
		return !root || e->code == ERR_NOTFOUND ? 0 : e->code;
	if (names.n > BOOT_ENTRIES_MAX)
		return err_set(
			e, ERR_UNSUPPORTED, "%s: more than %d entries", dir, BOOT_ENTRIES_MAX);
	*list = arena_array(a, names.n ? names.n : 1, sizeof **list);
	for (size_t i = 0; i < names.n; i++) {
		CLEAN_BUF struct buf text = BUF(ENTRY_MAX);
		const struct str name = str_from(names.v[i]);
		struct boot_bls *bls = &(*list)[*n];
		if (!str_ends(name, STR(".conf")))
			continue;
		bls->root = root;
		bls->path = arena_print(a, "%s/%s", dir, names.v[i]);
		bls->id = arena_copy(a, (struct str){ name.p, name.len - strlen(".conf") });
		if (file_read(&text, root, bls->path, e))
			return e->code;
		boot_bls_parse(bls, a, buf_text(&text));
		take_counter(bls, a);
		if (bls->kernel || bls->efi)
			++*n;
		else
			*bls = (struct boot_bls){ 0 };
	}
	qsort(*list, *n, sizeof **list, compare);
	return 0;
}

int boot_bls_use(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const struct boot_bls *bls,
	const char *(*expand)(void *ctx, struct arena *a, const char *text), void *ctx,
	struct err *e)
{
	/* Paths are those of the entry's own file system. */
	struct boot_roots own = *roots;

	if (bls->root == roots->esp)
		own = (struct boot_roots){ .root = roots->esp, .boot = NULL };
	entry->title = bls->title ? bls->title : bls->id;
	entry->origin = bls->path;
	entry->line = bls->line;
	if (!bls->kernel) {
		struct boot_file file;
		if (!boot_locate(&file, a, &own, bls->efi))
			return err_set(e, ERR_NOTFOUND, "%s:%u: %s is not on this disk", bls->path,
				bls->line, bls->efi);
		return boot_uki(entry, a, file.root, file.path, e);
	}
	if (boot_set_kernel(entry, a, &own, bls->kernel, e))
		return e->code;
	for (size_t i = 0; i < bls->n_initrds; i++) {
		const char *text = bls->initrds[i];
		struct str rest = str_from(expand ? expand(ctx, a, text) : text), name;
		while (str_word(&name, &rest)) {
			if (boot_add_initrd(entry, a, &own, arena_copy(a, name), e))
				return e->code;
		}
	}
	const char *options = expand ? expand(ctx, a, bls->options) : bls->options;
	return boot_set_options(entry, arena_copy(a, str_trim(str_from(options))), e);
}

/* The pattern of loader.conf, "" when there is none. */
static const char *default_of(struct arena *a, const struct root *root)
{
	CLEAN_BUF struct buf text = BUF(ENTRY_MAX);
	struct str line, key, rest, value = STR("");
	struct err none;

	if (!root || file_read(&text, root, "loader/loader.conf", &none))
		return "";
	rest = buf_text(&text);
	while (str_next(&line, &rest, '\n')) {
		if (str_word(&key, &line) && str_is(key, "default"))
			value = str_trim(line);
	}
	return arena_copy(a, value);
}

static bool fits(const char *pattern, const char *id, const char *suffix, struct arena *a)
{
	return !fnmatch(pattern, id, FNM_CASEFOLD) ||
	       !fnmatch(pattern, arena_print(a, "%s%s", id, suffix), FNM_CASEFOLD);
}

/* EFI/Linux of the ESP or of /boot; one that the pattern fits, else the newest. */
static int unified(bool *found, struct boot_entry *entry, struct arena *a, const struct root *root,
	const char *pattern, bool must_fit, struct err *e)
{
	struct names names;
	const char *best = NULL;

	if (!root || names_read(&names, a, root, "EFI/Linux", e))
		return !root || e->code == ERR_NOTFOUND ? 0 : e->code;
	for (size_t i = 0; i < names.n; i++) {
		const struct str name = str_from(names.v[i]);
		if (name.len < 5 || strcasecmp(name.p + name.len - 4, ".efi"))
			continue;
		if (must_fit && fnmatch(pattern, names.v[i], FNM_CASEFOLD))
			continue;
		if (!best || boot_version_compare(names.v[i], best) > 0)
			best = names.v[i];
	}
	if (!best)
		return 0;
	*found = true;
	return boot_uki(entry, a, root, arena_print(a, "EFI/Linux/%s", best), e);
}

int boot_systemd(bool *found, struct boot_entry *entry, struct arena *a,
	const struct boot_roots *roots, struct err *e)
{
	const struct {
		const struct root *root;
		const char *dir;
	} places[] = { { roots->esp, "loader/entries" }, { roots->boot, "loader/entries" },
		{ roots->root, "boot/loader/entries" }, { roots->root, "boot/efi/loader/entries" },
		{ roots->root, "efi/loader/entries" } };
	const char *pattern = default_of(a, roots->esp);
	const struct boot_bls *first = NULL;

	if (!*pattern && roots->boot)
		pattern = default_of(a, roots->boot);
	if (pattern[0] == '@')
		pattern = "";
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct boot_bls *list;
		size_t n;
		if (boot_bls_read(&list, &n, a, places[i].root, places[i].dir, e))
			return e->code;
		for (size_t k = 0; k < n; k++) {
			if (!first)
				first = &list[k];
			if (!*pattern || !fits(pattern, list[k].id, ".conf", a))
				continue;
			*found = true;
			return boot_bls_use(entry, a, roots, &list[k], NULL, NULL, e);
		}
	}
	/* A pattern that fits none of them may be for a unified kernel; else those come last. */
	for (int fit = *pattern ? 1 : 0; fit >= 0; fit--) {
		if (!fit && first)
			break;
		if (unified(found, entry, a, roots->esp, pattern, fit, e) ||
			(!*found && unified(found, entry, a, roots->boot, pattern, fit, e)))
			return e->code;
		if (*found)
			return 0;
	}
	if (!first)
		return 0;
	*found = true;
	return boot_bls_use(entry, a, roots, first, NULL, NULL, e);
}
