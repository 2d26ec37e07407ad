/* What a program that was killed has left open. Each layer is noted before it is opened, in memory
 * (/run), under the number of the process; who finds the note of one that is gone closes it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/assemble_parts.h"

enum { NOTE_MAX = 64 * 1024, FIELDS_MAX = 1024 };

static const char folder[] = "run/etcd-rescue/opened";
static const char *const kinds[] = { "md", "luks", "lvm" };

/* One field a line; names of devices and volumes have no control characters. */
static int write_fields(struct buf *to, const struct target_layer *l, struct err *e)
{
	if (buf_print(to, e, "%s\n%s\n%s\n%s\n%zu\n", kinds[l->kind], l->name, l->uuid,
		    l->system_id ? l->system_id : "", l->from_alias ? l->n_from : 0))
		return e->code;
	for (size_t i = 0; l->from_alias && i < l->n_from; i++) {
		if (buf_print(to, e, "%s\n", l->from_alias[i]))
			return e->code;
	}
	for (size_t i = 0; i < l->n_volumes; i++) {
		if (buf_print(to, e, "%s\n", l->volumes[i]))
			return e->code;
	}
	return 0;
}

void assemble_note(struct target_assembly *as, struct target_layer *l)
{
	CLEAN_BUF struct buf text = BUF(NOTE_MAX);
	CLOSE_FD int fd = -1;
	struct err e = { 0 };

	l->note = arena_print(as->arena, "%08d-%04zu", (int)getpid(), as->n);
	const char *path = arena_print(as->arena, "%s/%s", folder, l->note);
	mkdirat(as->machine->fd, "run/etcd-rescue", 0755);
	mkdirat(as->machine->fd, folder, 0700);
	if (!write_fields(&text, l, &e)) {
		fd = openat(as->machine->fd, path,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 && !file_write(fd, text.p, text.len, &e))
			return;
	}
	/* It works without; only a kill would leave the layer open. */
	event_debug(as->options.listener, "target", "%s is not noted", l->name);
}

void assemble_unnote(struct target_assembly *as, const struct target_layer *l)
{
	if (l->note)
		unlinkat(as->machine->fd, arena_print(as->arena, "%s/%s", folder, l->note), 0);
}

static bool is_gone(const char *note)
{
	uint64_t pid;

	return strlen(note) > 9 && str_u64(&pid, (struct str){ note, 8 }, 10, 1 << 30) && pid &&
	       kill((pid_t)pid, 0) && errno == ESRCH;
}

static bool read_layer(struct target_layer *l, struct target_assembly *as, struct str text)
{
	const char *fields[FIELDS_MAX];
	struct str line;
	size_t n = 0;
	uint64_t n_from;

	while (n < FIELDS_MAX && str_next(&line, &text, '\n')) {
		if (line.len || n < 4)
			fields[n++] = arena_copy(as->arena, line);
	}
	if (n < 5 || !str_u64(&n_from, str_from(fields[4]), 10, n - 5))
		return false;
	*l = (struct target_layer){ .name = fields[1],
		.uuid = fields[2],
		.system_id = fields[3],
		.n_from = (size_t)n_from,
		.n_volumes = n - 5 - (size_t)n_from };
	l->from = arena_array(as->arena, l->n_from + 1, sizeof *l->from);
	l->volumes = arena_array(as->arena, l->n_volumes + 1, sizeof *l->volumes);
	for (size_t i = 0; i < l->n_from; i++) {
		l->from[i] = assemble_device_name(as, fields[5 + i]);
		if (!l->from[i])
			return false;
	}
	for (size_t i = 0; i < l->n_volumes; i++)
		l->volumes[i] = fields[5 + l->n_from + i];
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		l->kind = (enum target_layer_kind)k;
		if (!strcmp(fields[0], kinds[k]))
			return true;
	}
	return false;
}

size_t assemble_close_left(struct target_assembly *as)
{
	struct names names;
	struct err none = { 0 };
	size_t closed = 0;

	if (names_read(&names, as->arena, as->machine, folder, &none))
		return 0;
	/* Last first: the groups, the containers they are in, the arrays below. */
	for (size_t i = names.n; i-- > 0;) {
		CLEAN_BUF struct buf text = BUF(NOTE_MAX);
		struct target_layer l;
		struct err e = { 0 };
		const char *path = arena_print(as->arena, "%s/%s", folder, names.v[i]);
		if (!is_gone(names.v[i]))
			continue;
		if (!file_read(&text, as->machine, path, &e) &&
			read_layer(&l, as, buf_text(&text))) {
			if (assemble_close(as, &l, &e))
				event_warning(as->options.listener, "target",
					"%s, which a program that was ended had opened, stays "
					"open: %s",
					l.name, e.text);
			else
				closed++;
		}
		unlinkat(as->machine->fd, path, 0);
	}
	return closed;
}
