#include "kube/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

struct kube_files kube_files(struct arena *a, const struct root *root)
{
	return (struct kube_files){ .arena = a, .root = root };
}

const struct root *kube_below(const char **inside, const struct kube_files *set, const char *path)
{
	static const char *const places[][2] = { { "var/", "" }, { "home/", "home/" },
		{ "root/", "roothome/" } };

	path += strspn(path, "/");
	*inside = path;
	for (size_t i = 0; set->var && i < sizeof places / sizeof *places; i++) {
		const size_t len = strlen(places[i][0]);
		if (strncmp(path, places[i][0], len))
			continue;
		*inside = arena_print(set->arena, "%s%s", places[i][1], path + len);
		return set->var;
	}
	return set->root;
}

bool kube_exists(const struct kube_files *set, const char *path)
{
	const struct root *root = kube_below(&path, set, path);

	return root_exists(root, path);
}

static struct kube_file *add(struct kube_files *set, const char *path)
{
	struct kube_file *file = arena_alloc(set->arena, sizeof *file);

	file->set = set;
	file->path = arena_copy(set->arena, str_from(path));
	if (set->last)
		*set->last = file;
	else
		set->first = file;
	set->last = &file->next;
	return file;
}

static struct kube_file *known(const struct kube_files *set, const char *path)
{
	struct kube_file *file = set->first;

	while (file && strcmp(file->path, path))
		file = file->next;
	return file;
}

/* Where the link at `path` leads, by its text alone. */
static const char *behind_link(struct arena *a, const char *path, const char *target)
{
	const char *slash = strrchr(path, '/');
	char *out = arena_print(
		a, "%.*s/%s", *target == '/' || !slash ? 0 : (int)(slash - path), path, target);
	size_t len = 0;
	struct str rest = str_from(out), part;

	for (; str_next(&part, &rest, '/');) {
		if (str_is(part, "..")) {
			while (len && out[--len] != '/')
				;
		} else if (part.len && !str_is(part, ".")) {
			len += len > 0;
			out[len ? len - 1 : 0] = len ? '/' : out[0];
			memmove(out + len, part.p, part.len);
			len += part.len;
		}
	}
	out[len] = '\0';
	return out;
}

static bool are_one(const struct root *root, const char *a, const char *b)
{
	CLOSE_FD int x = -1, y = -1;
	struct err none = { 0 };
	struct stat s, t;

	return !root_open_at(&x, root, a, O_PATH, &none) &&
	       !root_open_at(&y, root, b, O_PATH, &none) && !fstat(x, &s) && !fstat(y, &t) &&
	       s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* A file may be known by a link, root's kubeconfig most of all; it is changed where it is. */
static const char *without_links(const struct kube_files *set, const char *path)
{
	const char *now = path;
	char target[512];

	for (int n = 0; n < 8; n++) {
		struct err none = { 0 };
		memset(target, 0, sizeof target);
		if (root_read_link(target, sizeof target - 1, set->root, now, &none))
			break;
		now = behind_link(set->arena, now, target);
	}
	return now != path && are_one(set->root, path, now) ? now : path;
}

int kube_file(struct kube_file **file, struct kube_files *set, const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(KUBE_FILE_MAX);

	path += strspn(path, "/"); /* one name for each file */
	*file = known(set, path);
	if (*file)
		return 0;
	const char *inside;
	const struct root *root = kube_below(&inside, set, path);
	if (root == set->root)
		inside = path = without_links(set, path);
	*file = known(set, path);
	if (*file)
		return 0;
	if (file_read(&text, root, inside, e))
		return e->code;
	*file = add(set, path);
	(*file)->text = (struct str){ arena_copy(set->arena, buf_text(&text)), text.len };
	return 0;
}

int kube_file_new(struct kube_file **file, struct kube_files *set, const char *path, struct err *e)
{
	path += strspn(path, "/");
	if (known(set, path) || kube_exists(set, path))
		return err_set(e, ERR_MISMATCH, "%s exists already", path);
	*file = add(set, path);
	(*file)->is_new = true;
	(*file)->text = str_from("");
	return 0;
}

int kube_file_parse(struct kube_file *file, enum doc_format format, struct err *e)
{
	if (file->read)
		return 0;
	if (doc_parse(&file->doc, file->set->arena, file->text, file->path, format, DOC_LIMITS, e))
		return e->code;
	file->read = true;
	file->format = format;
	return 0;
}

int kube_no_merges(const struct kube_file *file, const struct doc_node *node, struct err *e)
{
	for (const struct doc_node *c = node && node->kind != DOC_SCALAR ? node->first : NULL; c;
		c = c->next) {
		if (c->key && c->key->style == DOC_PLAIN && str_is(c->key->text, "<<"))
			return kube_refuse(file, c->key->start, e,
				"merge keys are not understood; write the keys themselves here");
		if (kube_no_merges(file, c, e))
			return e->code;
	}
	return 0;
}

void kube_place(unsigned *line, unsigned *column, const struct kube_file *file, size_t at)
{
	*line = *column = 1;
	for (size_t i = 0; i < at && i < file->text.len; i++) {
		const unsigned char c = (unsigned char)file->text.p[i];
		if (c == '\n') {
			++*line;
			*column = 1;
		} else if ((c & 0xc0) != 0x80) { /* not the rest of a character */
			++*column;
		}
	}
}

int kube_refuse(const struct kube_file *file, size_t at, struct err *e, const char *fmt, ...)
{
	char text[sizeof e->text];
	unsigned line, column;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	kube_place(&line, &column, file, at);
	return err_set(e, ERR_FORMAT, "%s:%u:%u: %s", file->path, line, column, text);
}

static bool changes_nothing(const struct kube_file *file, const struct kube_change *c)
{
	const struct str now = { file->text.p + c->start, c->end - c->start };

	return str_equal(now, c->put);
}

/* Kept in the order of the file. */
int kube_change(struct kube_file *file, const struct kube_change *change, struct err *e)
{
	size_t at = file->n_changes;

	if (change->start > change->end || change->end > file->text.len)
		return err_set(e, ERR_BUG, "%s: a change past the end of the file", file->path);
	if (changes_nothing(file, change))
		return 0;
	while (at && file->changes[at - 1].start > change->start)
		at--;
	for (size_t i = 0; i < file->n_changes; i++) {
		const struct kube_change *c = &file->changes[i];
		if (c->start == change->start && c->end == change->end &&
			str_equal(c->put, change->put))
			return 0;
		/* Two that are put in at one place would have no order. */
		if ((c->start < change->end && change->start < c->end) || c->start == change->start)
			return kube_refuse(file, change->start, e,
				"%s and %s change the same bytes in two ways", c->what,
				change->what);
	}
	if (file->n_changes == KUBE_CHANGES_MAX)
		return kube_refuse(file, change->start, e,
			"more than %d changes are too many for one file", KUBE_CHANGES_MAX);
	if (file->n_changes == file->room) {
		const size_t room = file->room ? file->room * 2 : 8;
		struct kube_change *more = arena_array(file->set->arena, room, sizeof *more);
		if (file->n_changes)
			memcpy(more, file->changes, file->n_changes * sizeof *more);
		file->changes = more;
		file->room = room;
	}
	memmove(file->changes + at + 1, file->changes + at,
		(file->n_changes - at) * sizeof *file->changes);
	file->changes[at] = *change;
	file->n_changes++;
	return 0;
}

bool kube_is_changed(const struct kube_file *file, size_t start, size_t end)
{
	for (size_t i = 0; i < file->n_changes; i++) {
		if (file->changes[i].start < end && start < file->changes[i].end)
			return true;
	}
	return false;
}

int kube_result(struct buf *out, const struct kube_file *file, struct err *e)
{
	size_t at = 0;

	for (size_t i = 0; i < file->n_changes; i++) {
		const struct kube_change *c = &file->changes[i];
		if (buf_add(out, file->text.p + at, c->start - at, e) ||
			buf_add_str(out, c->put, e))
			return e->code;
		at = c->end;
	}
	return buf_add(out, file->text.p + at, file->text.len - at, e);
}
