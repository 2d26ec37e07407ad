#include "os/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "os/attribute.h"
#include "os/file.h"
#include "os/names.h"

enum { TTYS_MAX = 64, TABLE_MAX = 64 * 1024 };

struct list {
	struct tty v[TTYS_MAX];
	size_t n;
	struct arena *arena;
	const struct root *root;
};

static void add(struct list *l, struct tty tty)
{
	if (l->n < TTYS_MAX)
		l->v[l->n++] = tty;
}

/* A name with digits alone behind its prefix. */
static bool is_numbered(const char *name, const char *prefix)
{
	const size_t len = strlen(prefix);

	return !strncmp(name, prefix, len) && name[len] &&
	       strspn(name + len, "0123456789") == strlen(name + len);
}

/* The VT layer exists on any PC; a picture only when a driver other than the dummy has it. */
static void find_screen(struct list *l)
{
	struct names names = { 0 };
	struct err e = { 0 };
	int answers = -1;
	const char *hardware = NULL;

	if (!root_exists(l->root, "sys/class/tty/tty0"))
		return;
	if (!names_read(&names, l->arena, l->root, "sys/class/vtconsole", &e))
		answers = 0;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = attribute_text(
			l->arena, l->root, "sys/class/vtconsole/%s/name", names.v[i]);
		const uint64_t bound =
			attribute_u64(0, l->root, "sys/class/vtconsole/%s/bind", names.v[i]);
		if (!name || !bound || strstr(name, "dummy"))
			continue;
		answers = 1;
		/* "(M) frame buffer device": the letter says whether it is a module. */
		hardware = name[0] == '(' && strlen(name) > 4 ? name + 4 : name;
	}
	add(l, (struct tty){ "tty1", "screen", hardware, answers, -1, false });
}

/* "0: uart:16550A port:000003F8 irq:4 tx:12 rx:0 RTS|CTS|DTR|DSR|CD" */
static bool read_uart(struct tty *tty, struct arena *a, struct str line)
{
	struct str number, rest, word;
	uint64_t index;

	if (!str_cut(&number, &rest, line, ':') || !str_u64(&index, str_trim(number), 10, 1023) ||
		!str_word(&word, &rest) || !str_starts(word, STR("uart:")))
		return false;
	const struct str uart = { word.p + 5, word.len - 5 };
	*tty = (struct tty){
		.name = arena_print(a, "ttyS%u", (unsigned)index),
		.kind = "serial",
		.connected = -1,
	};
	if (str_is(uart, "unknown"))
		return true;
	tty->answers = 1;
	tty->connected = 0;
	tty->hardware = arena_copy(a, uart);
	/* CTS, DSR or CD are driven by the other side; RTS and DTR by ourselves. */
	while (str_word(&word, &rest)) {
		struct str line_name;
		while (str_next(&line_name, &word, '|')) {
			if (str_is(line_name, "CTS") || str_is(line_name, "DSR") ||
				str_is(line_name, "CD"))
				tty->connected = 1;
		}
	}
	return true;
}

static bool find_uarts(struct list *l)
{
	CLEAN_BUF struct buf table = BUF(TABLE_MAX);
	struct err e;
	struct str line;

	if (file_read(&table, l->root, "proc/tty/driver/serial", &e))
		return false;
	struct str rest = buf_text(&table);
	while (str_next(&line, &rest, '\n')) {
		struct tty tty;
		if (read_uart(&tty, l->arena, line))
			add(l, tty);
	}
	return true;
}

/* hvc0 to hvc7 are made together when the first host port appears; only what opens is there. */
static int opens(const struct root *root, const char *name)
{
	CLOSE_FD int fd = -1;
	char path[80];
	struct err e;

	snprintf(path, sizeof path, "dev/%.64s", name);
	if (!root_open_at(&fd, root, path, O_WRONLY | O_NONBLOCK | O_NOCTTY, &e))
		return 1;
	return e.errnum == EACCES || e.errnum == EPERM ? -1 : 0;
}

static void find_others(struct list *l, bool with_uarts)
{
	struct names names = { 0 };
	struct err e = { 0 };

	if (names_read(&names, l->arena, l->root, "sys/class/tty", &e))
		return;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];
		if (is_numbered(name, "hvc") || is_numbered(name, "xvc")) {
			const int there = opens(l->root, name);
			if (there)
				add(l, (struct tty){ name, "virtual", NULL, there, -1, false });
		} else if (is_numbered(name, "ttyAMA") ||
			   (with_uarts && is_numbered(name, "ttyS"))) {
			/* Type 0 is "no UART found"; the file is root's. */
			const uint64_t type =
				attribute_u64(UINT64_MAX, l->root, "sys/class/tty/%s/type", name);
			const int answers = type == UINT64_MAX ? -1 : type != 0;
			const char *hardware = name[4] == 'A' ? "PL011" : NULL;
			add(l, (struct tty){ name, "serial", hardware, answers, -1, false });
		}
	}
}

/* "ttyS0   -W- (EC p a)    4:64"; the kernel's tty0 is whatever VT is in front. */
static void mark_kernel(struct list *l)
{
	CLEAN_BUF struct buf table = BUF(TABLE_MAX);
	struct err e;
	struct str line, name;

	if (file_read(&table, l->root, "proc/consoles", &e))
		return;
	struct str rest = buf_text(&table);
	while (str_next(&line, &rest, '\n')) {
		if (!str_word(&name, &line))
			continue;
		for (size_t i = 0; i < l->n; i++) {
			if (str_is(name, l->v[i].name) ||
				(str_is(name, "tty0") && !strcmp(l->v[i].kind, "screen")))
				l->v[i].kernel = true;
		}
	}
}

void tty_list(struct tty **ttys, size_t *n, struct arena *a, const struct root *root)
{
	struct list *l = arena_alloc(a, sizeof *l);

	l->arena = a;
	l->root = root;
	find_screen(l);
	const bool told = find_uarts(l);
	find_others(l, !told);
	mark_kernel(l);
	*ttys = l->v;
	*n = l->n;
}
