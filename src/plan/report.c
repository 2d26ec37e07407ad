#include "plan/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "codec/doc.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "os/file.h"
#include "plan/report_log.h"
#include "plan/report_send.h"

enum {
	PHASES = 48,
	NAME = 32,
	EVENTS_MAX = 4 << 20,
	LINE_MAX_BYTES = 16 * 1024,
	PROGRESS_MS = 5000,
	DEADLINE_MS = 10000,
	MEMORY_EVENTS = 1 << 20,
};

struct phase {
	char name[NAME];
	int64_t ms;
};

struct report {
	struct arena *arena;
	struct report_wish wish;
	struct report_facts facts;
	int events;            /* descriptor; -1: none */
	struct report_log log; /* on the target */
	struct buf kept;       /* where there is no events.jsonl: what the target has not got yet */
	struct sender http, syslog;
	struct phase phases[PHASES];
	size_t n_phases, now; /* `now`: the one that lasts; PHASES: none yet */
	int64_t first_ms, since_ms, progress_ms;
	char step[NAME], reason[512];
	bool told_trouble;
};

/* Since the kernel started, sleep included, like /proc/uptime. */
static int64_t uptime_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void warn(struct report *r, const char *text)
{
	/* Once: a disk that is full is full for every line. */
	if (!r->told_trouble)
		event_warning(r->wish.next, "report", "%s", text);
	r->told_trouble = true;
}

static void write_line(struct report *r, int *fd, struct str line)
{
	struct err e;

	if (*fd < 0 || !file_write(*fd, line.p, line.len, &e))
		return;
	warn(r, e.text);
	file_close(fd);
}

/* From here on the phase is `name`. */
static void begin_phase(struct report *r, struct str name, int64_t at_ms)
{
	char text[NAME];
	size_t i = 0;

	if (!r->first_ms) {
		r->first_ms = at_ms ? at_ms : 1;
		if (r->wish.image) {
			strcpy(r->phases[0].name, "kernel");
			r->phases[0].ms = at_ms;
			r->n_phases = 1;
		}
	}
	snprintf(text, sizeof text, "%.*s", (int)(name.len < NAME ? name.len : NAME - 1), name.p);
	if (r->now < PHASES)
		r->phases[r->now].ms += at_ms > r->since_ms ? at_ms - r->since_ms : 0;
	r->since_ms = at_ms;
	while (i < r->n_phases && strcmp(r->phases[i].name, text))
		i++;
	if (i == PHASES)
		i = PHASES - 1; /* more names than anybody reads */
	if (i == r->n_phases)
		strcpy(r->phases[r->n_phases++].name, text);
	r->now = i;
	strcpy(r->step, text);
}

/* What the boot process, which is another, has said before. */
static void read_back(struct report *r, int fd)
{
	CLEAN_BUF struct buf text = BUF(EVENTS_MAX);
	struct str line, rest;
	struct err ignored;

	if (file_read_fd(&text, fd, &ignored))
		return;
	rest = buf_text(&text);
	while (str_next(&line, &rest, '\n')) {
		const struct arena_mark mark = arena_mark(r->arena);
		struct doc doc;
		uint64_t at;
		if (!doc_parse(
			    &doc, r->arena, line, REPORT_EVENTS, DOC_JSON, DOC_LIMITS, &ignored) &&
			doc.root && str_is(doc_text(doc.root, "event"), "step") &&
			str_u64(&at, doc_text(doc.root, "uptime_ms"), 10, INT64_MAX))
			begin_phase(r, doc_text(doc.root, "step"), (int64_t)at);
		arena_release(r->arena, mark);
	}
}

struct report *report_open(struct arena *a, const struct report_wish *wish)
{
	struct report *r = arena_alloc(a, sizeof *r);
	const struct sender_to http = { SENDER_HTTP, wish->url, wish->trust, wish->proxy };
	const struct sender_to syslog = { SENDER_SYSLOG, wish->syslog, NULL, NULL };

	*r = (struct report){
		.arena = a,
		.wish = *wish,
		.events = -1,
		.log = NO_REPORT_LOG,
		.kept = BUF(MEMORY_EVENTS),
		.http = { .fd = -1 },
		.syslog = { .fd = -1 },
		.now = PHASES,
	};
	if (wish->dir) {
		const char *path = arena_print(a, "%s/%s", wish->dir, REPORT_EVENTS);
		r->events = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (r->events < 0)
			event_warning(wish->next, "report", "%s: %s", path, strerror(errno));
		else if (wish->image)
			read_back(r, r->events);
	}
	if (wish->url)
		sender_start(&r->http, &http);
	if (wish->syslog)
		sender_start(&r->syslog, &syslog);
	return r;
}

static void put_facts(struct json *j, const struct report *r)
{
	json_key_text(j, "node", r->facts.node);
	json_key_text(j, "plan", r->facts.plan);
}

static void send_phase(struct report *r)
{
	CLEAN_BUF struct buf out = BUF(SENDER_LINE);
	struct json j = JSON(&out);
	char time_text[RFC3339_SIZE];
	struct err ignored;

	if (!r->http.pid)
		return;
	rfc3339_format(time_text, time(NULL));
	json_open(&j, '{');
	json_key_text(&j, "event", "phase");
	json_key_text(&j, "phase", r->step);
	put_facts(&j, r);
	json_key_text(&j, "time", time_text);
	json_key_u64(&j, "uptime_ms", (uint64_t)r->since_ms);
	json_close(&j, '}');
	if (!json_end(&j, &ignored))
		sender_put(&r->http, buf_text(&out));
}

/* PRI is 8 * 3 (daemon) + severity; a name that is no host's would be no header. */
static void send_syslog(struct report *r, const struct event *ev, const char *time_text)
{
	static const unsigned severities[] = {
		[EVENT_STEP] = 5,
		[EVENT_DONE] = 5,
		[EVENT_FAILED] = 3,
		[EVENT_PROGRESS] = 7,
		[EVENT_INFO] = 6,
		[EVENT_WARNING] = 4,
		[EVENT_DEBUG] = 7,
	};
	char line[1500], host[NAME * 2] = "-";

	if (r->facts.node) {
		size_t n = 0;
		for (const char *p = r->facts.node; *p && n < sizeof host - 1; p++)
			host[n++] = *p > ' ' && *p < 0x7f ? *p : '_';
		host[n] = '\0';
	}
	const int n = snprintf(line, sizeof line, "<%u>1 %s %s etcd-rescue %d %s - %s: %.1000s",
		24 + severities[ev->kind], time_text, host[0] ? host : "-", getpid(),
		event_word(ev->kind), ev->step ? ev->step : "-",
		ev->text ? ev->text : event_word(ev->kind));
	for (int i = 0; i < n && i < (int)sizeof line; i++)
		line[i] = (unsigned char)line[i] < ' ' && line[i] ? ' ' : line[i];
	sender_put(&r->syslog, str_from(line));
}

static void keep(struct report *r, const struct event *ev, const char *time_text, int64_t at)
{
	CLEAN_BUF struct buf out = BUF(LINE_MAX_BYTES);
	struct json j = JSON(&out);
	struct err e;

	json_open(&j, '{');
	json_key_text(&j, "time", time_text);
	json_key_u64(&j, "uptime_ms", (uint64_t)at);
	json_key_text(&j, "event", event_word(ev->kind));
	json_key_text(&j, "step", ev->step);
	if (ev->text)
		json_key_text(&j, "text", ev->text);
	if (ev->kind == EVENT_PROGRESS) {
		json_key_u64(&j, "done", ev->done);
		json_key_u64(&j, "total", ev->total);
	}
	json_close(&j, '}');
	if (json_end(&j, &e) || buf_add(&out, "\n", 1, &e))
		return;
	write_line(r, &r->events, buf_text(&out));
	if (r->log.fd >= 0)
		write_line(r, &r->log.fd, buf_text(&out));
	else if (r->events < 0)
		buf_add(&r->kept, out.p, out.len, &e);
}

static void hear(void *ctx, const struct event *ev)
{
	struct report *r = ctx;
	const int64_t at = uptime_ms();
	char time_text[RFC3339_SIZE];

	if (r->wish.next)
		r->wish.next->hear(r->wish.next->ctx, ev);
	if (ev->kind == EVENT_PROGRESS) {
		if (at - r->progress_ms < PROGRESS_MS)
			return;
		r->progress_ms = at;
	}
	rfc3339_format(time_text, time(NULL));
	if (ev->kind == EVENT_STEP && ev->step) {
		const bool changes = strncmp(r->step, ev->step, NAME - 1) != 0;
		begin_phase(r, str_from(ev->step), at);
		if (changes)
			send_phase(r);
	}
	if (ev->kind == EVENT_FAILED && ev->text)
		snprintf(r->reason, sizeof r->reason, "%s", ev->text);
	keep(r, ev, time_text, at);
	if (r->syslog.pid && ev->kind != EVENT_PROGRESS && ev->kind != EVENT_DEBUG)
		send_syslog(r, ev, time_text);
}

struct listener report_listener(struct report *r)
{
	return (struct listener){ hear, r };
}

void report_facts(struct report *r, const struct report_facts *facts)
{
	r->facts.node = facts->node ? facts->node : r->facts.node;
	r->facts.plan = facts->plan ? facts->plan : r->facts.plan;
	r->facts.snapshot = facts->snapshot ? facts->snapshot : r->facts.snapshot;
	r->facts.source = facts->source ? facts->source : r->facts.source;
}

const char *report_step(const struct report *r)
{
	return r->step;
}

int report_target(struct report *r, const struct root *root, const char *path, struct err *e)
{
	CLEAN_BUF struct buf before = BUF(EVENTS_MAX);

	report_target_end(r);
	if (report_log_open(&r->log, root, path, r->facts.plan, e))
		return err_wrap(e, "log on the target");
	if (r->events >= 0) {
		if (lseek(r->events, 0, SEEK_SET))
			err_sys(e, "%s", REPORT_EVENTS);
		else
			file_read_fd(&before, r->events, e);
	} else if (r->kept.len) {
		buf_add(&before, r->kept.p, r->kept.len, e);
	}
	if (!e->code && file_write(r->log.fd, before.p, before.len, e))
		err_wrap(e, "log on the target");
	if (e->code)
		report_log_close(&r->log);
	return e->code;
}

int report_target_copy(struct report *r, const char *path, const char *ending, struct err *e)
{
	return report_log_copy(&r->log, path, ending, e);
}

void report_target_end(struct report *r)
{
	if (r->log.fd >= 0 && fsync(r->log.fd))
		warn(r, "the log on the target could not be synced");
	report_log_close(&r->log);
}

static const char *result_word(int status)
{
	static const char *const words[] = { "done", "failed", "failed", "rolled-back",
		"unfinished", "holding", "refused" };

	return status >= 0 && status < 7 ? words[status] : "ended";
}

static void final(struct json *j, struct report *r, int status, const struct err *why)
{
	const int64_t end = uptime_ms();
	int64_t ours = end - (r->first_ms ? r->first_ms : end);
	char time_text[RFC3339_SIZE], step[NAME];

	strcpy(step, r->step);
	begin_phase(r, STR("end"), end);
	rfc3339_format(time_text, time(NULL));
	json_open(j, '{');
	json_key_text(j, "event", "report");
	json_key_text(j, "time", time_text);
	json_key_text(j, "version", VERSION);
	json_key_text(j, "result", result_word(status));
	json_key_u64(j, "status", (uint64_t)status);
	json_key_text(j, "step", step);
	json_key_text(j, "reason", why && why->code ? why->text : status ? r->reason : NULL);
	put_facts(j, r);
	json_key_text(j, "snapshot", r->facts.snapshot);
	json_key_text(j, "source", r->facts.source);
	json_key(j, "phases");
	json_open(j, '[');
	for (size_t i = 0; i < r->n_phases; i++) {
		const struct phase *p = &r->phases[i];
		if (!strcmp(p->name, "end"))
			continue;
		if (!strcmp(p->name, "ask"))
			ours -= p->ms;
		json_open(j, '{');
		json_key_text(j, "name", p->name);
		json_key_u64(j, "ms", (uint64_t)p->ms);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key_u64(
		j, "total_ms", (uint64_t)(r->wish.image || !r->first_ms ? end : end - r->first_ms));
	json_key_u64(j, "ours_ms", (uint64_t)(ours > 0 ? ours : 0));
	json_close(j, '}');
}

void report_end(struct report *r, int status, const struct err *why)
{
	CLEAN_BUF struct buf out = BUF(LINE_MAX_BYTES);
	struct json j = JSON(&out);
	struct err e;

	final(&j, r, status, why);
	if (!json_end(&j, &e)) {
		sender_put(&r->http, buf_text(&out));
		if (!buf_add(&out, "\n", 1, &e)) {
			write_line(r, &r->events, buf_text(&out));
			write_line(r, &r->log.fd, buf_text(&out));
		}
	}
	report_target_end(r);
}

void report_close(struct report *r)
{
	const int64_t deadline = monotonic_ms() + DEADLINE_MS;

	report_target_end(r);
	if (!sender_end(&r->http, deadline))
		event_warning(r->wish.next, "report", "the report URL did not take everything");
	if (!sender_end(&r->syslog, deadline))
		event_warning(r->wish.next, "report", "the syslog server did not take everything");
	file_close(&r->events);
	buf_free(&r->kept);
}
