#include "source/sftp_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "net/retry.h"

enum { ARENA_BYTES = 4 << 20, REQUESTS = 64, MOST = 60 << 10 /* bytes of a request */ };
enum { LEAST = 16 << 10 };

struct request {
	sftp_aio aio;
	uint64_t at;
	size_t len;
};

struct reading {
	struct arena arena;
	const struct sftp_address *address;
	const struct source_settings *settings;
	struct sftp_link link;
	sftp_file file; /* NULL: the connection is lost */
	char *path;
	uint64_t size, modified;
	uint64_t at, ask; /* handed out up to here; asked for up to here */
	size_t piece;     /* bytes of a request */
	struct request window[REQUESTS];
	size_t first, n;
	uint8_t *left; /* of an answer that was larger than the room for it */
	uint8_t *drop; /* where answers go that nobody wants */
	size_t left_at, left_len;
	unsigned failures; /* in a row */
	bool over;         /* the end was reached and checked */
};

int sftp_stream_why(const struct sftp_link *link, const char *what, struct err *e)
{
	const int status = sftp_get_error(link->sftp);

	if (!ssh_is_connected(link->ssh) || ssh_get_error_code(link->ssh) != SSH_REQUEST_DENIED ||
		status == SSH_FX_EOF || status == SSH_FX_NO_CONNECTION ||
		status == SSH_FX_CONNECTION_LOST || status == SSH_FX_OK)
		return err_set(e, ERR_NET, "%s: the connection was lost: %s", what,
			ssh_get_error(link->ssh));
	if (status == SSH_FX_NO_SUCH_FILE || status == SSH_FX_NO_SUCH_PATH)
		return err_set(e, ERR_NOTFOUND, "%s: there is no such file or directory", what);
	if (status == SSH_FX_PERMISSION_DENIED)
		return err_set(
			e, ERR_AUTH, "%s: the user may not read it; look at its mode there", what);
	return err_set(
		e, ERR_IO, "%s: the server cannot read it: %s", what, ssh_get_error(link->ssh));
}

static void rest(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static void rest_after(
	const struct source_settings *settings, unsigned failures, const struct err *why)
{
	const unsigned ms = retry_wait_ms(failures, 0, (unsigned)time(NULL));

	event_warning(settings->listener, "sftp", "%s; again in %u.%u s", why->text, ms / 1000,
		ms % 1000 / 100);
	rest(ms);
}

int sftp_stream_connect(struct sftp_link *link, const struct sftp_address *address,
	const struct source_settings *settings, unsigned tries, struct err *e)
{
	for (unsigned failures = 0;;) {
		if (!sftp_link_open(link, address, settings, e))
			return 0;
		if (e->code != ERR_NET || ++failures >= tries)
			return e->code;
		rest_after(settings, failures, e);
	}
}

static void forget_window(struct reading *r)
{
	for (; r->n; r->n--, r->first++)
		sftp_aio_free(r->window[r->first % REQUESTS].aio);
	r->ask = r->at + r->left_len;
}

/* Unless all went well nothing is said any more: a server that does not answer would not answer
 * to a good-bye either. */
static void let_go(struct reading *r)
{
	forget_window(r);
	if (!r->over && r->link.ssh)
		shutdown(ssh_get_fd(r->link.ssh), SHUT_RDWR);
	if (r->file)
		sftp_close(r->file);
	r->file = NULL;
	sftp_link_close(&r->link);
}

static int look(struct reading *r, uint64_t *size, uint64_t *modified, struct err *e)
{
	sftp_attributes now = sftp_fstat(r->file);

	if (!now)
		return sftp_stream_why(&r->link, r->path, e);
	const bool told = now->flags & SSH_FILEXFER_ATTR_SIZE;
	*size = now->size;
	*modified = now->flags & SSH_FILEXFER_ATTR_ACMODTIME ? now->mtime : 0;
	sftp_attributes_free(now);
	return told ? 0 : err_set(e, ERR_UNSUPPORTED, "%s: the server tells no size", r->path);
}

static int open_file(struct reading *r, struct err *e)
{
	uint64_t size, modified;

	r->file = sftp_open(r->link.sftp, r->path, O_RDONLY, 0);
	if (!r->file)
		return sftp_stream_why(&r->link, r->path, e);
	if (look(r, &size, &modified, e))
		return e->code;
	if (size != r->size || modified != r->modified)
		return err_set(e, ERR_MISMATCH,
			"%s changed on the server after %ju of %ju bytes; start again, or take one "
			"that is finished",
			r->path, (uintmax_t)r->at, (uintmax_t)r->size);
	r->piece = r->link.max_read < MOST ? r->link.max_read : MOST;
	/* Where nothing large comes through between two losses, something small may. */
	r->piece >>= r->failures;
	r->piece = r->piece < LEAST ? LEAST : r->piece;
	return 0;
}

/* After a loss: wait, dial, log in, and go on where the last byte was handed out. */
static int come_back(struct reading *r, struct err *e)
{
	if (e->code != ERR_NET)
		return e->code;
	if (++r->failures >= SFTP_TRIES)
		return err_wrap(
			e, "given up at byte %ju after %d tries", (uintmax_t)r->at, SFTP_TRIES);
	let_go(r);
	rest_after(r->settings, r->failures, e);
	if (sftp_link_open(&r->link, r->address, r->settings, e) || open_file(r, e))
		return come_back(r, e);
	event_info(r->settings->listener, "sftp", "%s: resumed at byte %ju of %ju", r->path,
		(uintmax_t)r->ask, (uintmax_t)r->size);
	return 0;
}

static int ask_ahead(struct reading *r, struct err *e)
{
	const size_t most = SFTP_WINDOW / r->piece;

	while (r->n < REQUESTS && r->n < most && r->ask < r->size) {
		struct request *q = &r->window[(r->first + r->n) % REQUESTS];
		const uint64_t left = r->size - r->ask;
		*q = (struct request){ .at = r->ask,
			.len = left < r->piece ? (size_t)left : r->piece };
		sftp_seek64(r->file, q->at);
		const ssize_t len = sftp_aio_begin_read(r->file, q->len, &q->aio);
		if (len <= 0)
			return sftp_stream_why(&r->link, r->path, e);
		q->len = (size_t)len;
		r->ask += (size_t)len;
		r->n++;
	}
	return 0;
}

/* The answer to the oldest request into `to`, which has room for a piece. */
static int take_answer(struct reading *r, size_t *got, void *to, struct err *e)
{
	struct request *q = &r->window[r->first % REQUESTS];
	const ssize_t len = sftp_aio_wait_read(&q->aio, to, q->len);

	r->first++;
	r->n--;
	if (len < 0)
		return sftp_stream_why(&r->link, r->path, e);
	if (!len)
		return err_set(e, ERR_MISMATCH,
			"%s ends at byte %ju, it had %ju; it was changed meanwhile", r->path,
			(uintmax_t)q->at, (uintmax_t)r->size);
	*got = (size_t)len;
	if (*got == q->len)
		return 0;
	/* Less than was asked for: what was asked for behind it leaves a gap. */
	while (r->n) {
		struct request *later = &r->window[r->first % REQUESTS];
		r->first++;
		r->n--;
		if (sftp_aio_wait_read(&later->aio, r->drop, later->len) < 0)
			return sftp_stream_why(&r->link, r->path, e);
	}
	r->ask = q->at + *got;
	r->piece = *got;
	return 0;
}

static int fetch(struct reading *r, size_t *got, void *bytes, size_t room, struct err *e)
{
	if (!r->file)
		return err_set(e, ERR_NET, "%s: the connection was lost", r->path);
	if (ask_ahead(r, e))
		return e->code;
	const bool direct = room >= r->window[r->first % REQUESTS].len;
	size_t len = 0;
	if (take_answer(r, &len, direct ? bytes : r->left, e))
		return e->code;
	r->failures = 0;
	*got = direct ? len : room;
	if (direct)
		return 0;
	memcpy(bytes, r->left, room);
	r->left_at = room;
	r->left_len = len - room;
	return 0;
}

/* Whoever writes a backup over the old one while we read it must not get a mixture restored. */
static int check_end(struct reading *r, struct err *e)
{
	uint64_t size, modified;

	if (!r->file)
		return err_set(e, ERR_NET, "%s: the connection was lost", r->path);
	if (look(r, &size, &modified, e))
		return e->code;
	if (size != r->size || modified != r->modified)
		return err_set(e, ERR_MISMATCH,
			"%s changed on the server while it was read; take one that is finished",
			r->path);
	r->over = true;
	return 0;
}

static int read_some(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct reading *r = ctx;

	*got = 0;
	if (r->left_len && room) {
		*got = room < r->left_len ? room : r->left_len;
		memcpy(bytes, r->left + r->left_at, *got);
		r->left_at += *got;
		r->left_len -= *got;
		r->at += *got;
		return 0;
	}
	while (!r->over && room) {
		if (r->at == r->size ? !check_end(r, e) : !fetch(r, got, bytes, room, e))
			break;
		if (come_back(r, e))
			return e->code;
	}
	r->at += *got;
	return 0;
}

static void close_reading(void *ctx)
{
	struct reading *r = ctx;

	let_go(r);
	struct arena all = r->arena; /* and the struct in it */
	arena_free(&all);
}

/* A pipe over there would hold the server, and us, for ever: looked at before it is opened. */
static int look_at_path(struct reading *r, struct err *e)
{
	sftp_attributes is = sftp_stat(r->link.sftp, r->path);

	if (!is)
		return sftp_stream_why(&r->link, r->path, e);
	const bool regular = is->type == SSH_FILEXFER_TYPE_REGULAR;
	const bool told = is->flags & SSH_FILEXFER_ATTR_SIZE;
	r->size = is->size;
	r->modified = is->flags & SSH_FILEXFER_ATTR_ACMODTIME ? is->mtime : 0;
	sftp_attributes_free(is);
	if (!regular)
		return err_set(
			e, ERR_FORMAT, "%s: is a directory, a device or a pipe, no file", r->path);
	return told ? 0 : err_set(e, ERR_UNSUPPORTED, "%s: the server tells no size", r->path);
}

int sftp_stream_open(struct stream *stream, struct sftp_link *link,
	const struct sftp_address *address, const struct source_settings *settings,
	const char *path, struct err *e)
{
	struct arena arena = ARENA(ARENA_BYTES);
	struct reading *r = arena_alloc(&arena, sizeof *r);

	*r = (struct reading){ .address = address, .settings = settings, .link = *link };
	*link = (struct sftp_link){ 0 };
	r->path = arena_copy(&arena, str_from(path));
	r->left = arena_alloc(&arena, MOST);
	r->drop = arena_alloc(&arena, MOST);
	r->arena = arena;
	if (look_at_path(r, e) || open_file(r, e)) {
		const struct err why = *e;
		close_reading(r);
		*e = why;
		return e->code;
	}
	*stream = (struct stream){ read_some, close_reading, r, r->size };
	return 0;
}
