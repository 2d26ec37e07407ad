/* A unified diff needs no search here: where the files differ is known. */
#include <string.h>

#include "kube/file.h"

enum { CONTEXT = 3 };

static size_t line_start(struct str text, size_t at)
{
	while (at && text.p[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the line that holds byte `at`. */
static size_t line_end(struct str text, size_t at)
{
	while (at < text.len && text.p[at] != '\n')
		at++;
	return at < text.len ? at + 1 : at;
}

static size_t count_lines(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.p[i] == '\n';
	return n + (text.len && text.p[text.len - 1] != '\n');
}

/* The lines that the changes from `first` on touch, as long as they touch each other's. */
static void block(size_t *next, size_t *start, size_t *end, const struct kube_file *f, size_t first)
{
	const struct kube_change *c = &f->changes[first];

	*start = line_start(f->text, c->start);
	*end = line_end(f->text, c->end > c->start ? c->end - 1 : c->end);
	/* Whole lines put in before a line leave that line alone. */
	if (c->start == c->end && c->start == *start && c->put.len &&
		c->put.p[c->put.len - 1] == '\n')
		*end = *start;
	for (*next = first + 1;
		*next < f->n_changes && line_start(f->text, f->changes[*next].start) <= *end;
		++*next) {
		c = &f->changes[*next];
		const size_t to = line_end(f->text, c->end > c->start ? c->end - 1 : c->end);
		*end = to > *end ? to : *end;
	}
}

static int add_lines(struct buf *out, char mark, struct str text, struct err *e)
{
	struct str rest = text;

	while (rest.len) {
		const char *nl = memchr(rest.p, '\n', rest.len);
		const size_t len = nl ? (size_t)(nl - rest.p) + 1 : rest.len;
		if (buf_add(out, &mark, 1, e) || buf_add(out, rest.p, len, e))
			return e->code;
		if (!nl && buf_print(out, e, "\n\\ No newline at end of file\n"))
			return e->code;
		rest.p += len;
		rest.len -= len;
	}
	return 0;
}

static struct str part(struct str text, size_t start, size_t end)
{
	return (struct str){ text.p + start, end - start };
}

static int new_text(struct buf *out, const struct kube_file *f, size_t first, size_t last,
	size_t start, size_t end, struct err *e)
{
	size_t at = start;

	for (size_t i = first; i < last; i++) {
		if (buf_add_str(out, part(f->text, at, f->changes[i].start), e) ||
			buf_add_str(out, f->changes[i].put, e))
			return e->code;
		at = f->changes[i].end;
	}
	return buf_add_str(out, part(f->text, at, end), e);
}

static size_t back(struct str text, size_t at, size_t floor)
{
	for (int n = 0; n < CONTEXT && at > floor; n++)
		at = line_start(text, at - 1);
	return at;
}

static size_t ahead(struct str text, size_t at)
{
	for (int n = 0; n < CONTEXT && at < text.len; n++)
		at = line_end(text, at);
	return at;
}

/* One hunk: blocks whose contexts touch.  `*done` is where the text before it ended. */
static int add_hunk(struct buf *out, size_t *next, size_t *done, long *shift,
	const struct kube_file *f, size_t first, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(3 * KUBE_FILE_MAX), fresh = BUF(2 * KUBE_FILE_MAX);
	size_t start, end, after, at, n = first, old = 0, new = 0;

	block(&after, &start, &end, f, n);
	const size_t from = back(f->text, start, *done);
	const size_t before = count_lines(part(f->text, 0, from));
	for (at = from;;) {
		buf_clear(&fresh);
		const struct str kept = part(f->text, at, start), gone = part(f->text, start, end);
		if (add_lines(&body, ' ', kept, e) || add_lines(&body, '-', gone, e) ||
			new_text(&fresh, f, n, after, start, end, e) ||
			add_lines(&body, '+', buf_text(&fresh), e))
			return e->code;
		old += count_lines(kept) + count_lines(gone);
		new += count_lines(kept) + count_lines(buf_text(&fresh));
		at = end;
		n = after;
		if (n == f->n_changes)
			break;
		block(&after, &start, &end, f, n);
		if (back(f->text, start, at) > ahead(f->text, at))
			break;
	}
	const size_t to = ahead(f->text, at);
	const struct str tail = part(f->text, at, to);
	old += count_lines(tail);
	new += count_lines(tail);
	if (buf_print(out, e, "@@ -%zu,%zu +%zu,%zu @@\n", before + (old > 0), old,
		    (size_t)((long)before + *shift) + (new > 0), new) ||
		buf_add_str(out, buf_text(&body), e) || add_lines(out, ' ', tail, e))
		return e->code;
	*shift += (long)new - (long)old;
	*done = to;
	*next = n;
	return 0;
}

int kube_diff(struct buf *out, const struct kube_file *file, struct err *e)
{
	size_t done = 0;
	long shift = 0;

	if (!file->n_changes)
		return 0;
	const char *path = *file->path == '/' ? file->path + 1 : file->path;
	if (buf_print(out, e, "--- %s%s\n+++ b/%s\n", file->is_new ? "" : "a/",
		    file->is_new ? "/dev/null" : path, path))
		return e->code;
	for (size_t i = 0; i < file->n_changes;) {
		if (add_hunk(out, &i, &done, &shift, file, i, e))
			return e->code;
	}
	return 0;
}
