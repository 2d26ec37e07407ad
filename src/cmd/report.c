/* etcd-rescue report: what somebody who was not there needs, in one archive without secrets. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "codec/json.h"
#include "os/file.h"
#include "os/names.h"
#include "os/process.h"
#include "plan/redact.h"

enum {
	FILE_MAX = 8 << 20,
	RUN_MS = 30000,
	KLOG_ALL = 3, /* SYSLOG_ACTION_READ_ALL */
	KLOG_SIZE = 10,
	LOGS = 8, /* of the target, the newest */
};

struct report_options {
	struct option_common common;
	const char *output, *root, *run;
	bool force;
};

struct bundle {
	struct app *app;
	struct archive *archive;
	struct redact known;
	struct buf secrets; /* what `known` borrows */
	size_t n_files;
	uint64_t bytes;
};

static int add(struct bundle *b, const char *name, struct str text, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(4 * FILE_MAX);
	struct archive_entry *entry;

	if (!text.len)
		return 0;
	if (redact_text(&out, &b->known, text, e))
		return err_wrap(e, "%s", name);
	entry = archive_entry_new();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (la_int64_t)out.len);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_mtime(entry, time(NULL), 0);
	const bool good = archive_write_header(b->archive, entry) == ARCHIVE_OK &&
			  archive_write_data(b->archive, out.p, out.len) == (la_ssize_t)out.len;
	archive_entry_free(entry);
	if (!good) {
		const char *why = archive_error_string(b->archive);
		return err_set(e, ERR_IO, "%s: %s", name, why ? why : "cannot be packed");
	}
	b->n_files++;
	b->bytes += out.len;
	return 0;
}

/* What is not there is left out; what is too long loses its beginning. */
static int add_file(struct bundle *b, const struct root *root, const char *path, const char *name,
	struct err *e)
{
	CLEAN_BUF struct buf text = BUF(FILE_MAX);
	CLOSE_FD int fd = -1;
	struct err ignored;
	struct stat st;

	if (root_open_at(&fd, root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &ignored) ||
		fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	if (st.st_size > FILE_MAX / 2)
		lseek(fd, st.st_size - FILE_MAX / 2, SEEK_SET);
	file_read_fd(&text, fd, &ignored);
	return add(b, name, buf_text(&text), e);
}

static int add_kernel_log(struct bundle *b, struct err *e)
{
	const int size = klogctl(KLOG_SIZE, NULL, 0);
	CLEAN_BUF struct buf text = BUF(FILE_MAX);
	uint8_t *at;

	if (size <= 0 || size > FILE_MAX || buf_extend(&at, &text, (size_t)size, e))
		return 0;
	const int n = klogctl(KLOG_ALL, (char *)at, size);
	return n > 0 ? add(b, "dmesg.txt", (struct str){ (const char *)at, (size_t)n }, e) : 0;
}

static int add_command(struct bundle *b, const char *const *argv, const char *name, struct err *e)
{
	CLEAN_BUF struct buf said = BUF(FILE_MAX);
	struct err why = { 0 };
	int status = 0;

	if (process_run(&status, argv, RUN_MS, &said, &why))
		event_warning(b->app->listener, "report", "%s: %s", name, why.text);
	return add(b, name, buf_text(&said), e);
}

/* Its own words, and each of its values: nothing of what a person typed may come back. */
static void learn(struct bundle *b, const struct root *root, const char *path)
{
	CLEAN_BUF struct buf text = BUF(64 * 1024);
	struct err ignored;
	struct str line, rest, name, value;

	if (file_read(&text, root, path, &ignored))
		return;
	rest = buf_text(&text);
	while (str_next(&line, &rest, '\n')) {
		const size_t at = b->secrets.len;
		if (buf_add_str(&b->secrets, line, &ignored))
			break;
		const struct str kept = { (const char *)b->secrets.p + at, line.len };
		redact_know(&b->known, kept);
		if (str_cut(&name, &value, kept, '=') || str_cut(&name, &value, kept, ':'))
			redact_know(&b->known, value);
	}
	explicit_bzero(text.p, text.len);
}

static void learn_secrets(struct bundle *b, const struct root *run)
{
	struct names names = { 0 };
	struct err ignored;

	/* Room for all at once: what is known must not move. */
	uint8_t *at;
	if (!buf_extend(&at, &b->secrets, b->secrets.max, &ignored))
		buf_clear(&b->secrets);
	learn(b, run, "credentials");
	if (names_read(&names, b->app->arena, run, "entered", &ignored))
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (!str_ends(str_from(names.v[i]), STR("plan.yaml")))
			learn(b, run, arena_print(b->app->arena, "entered/%s", names.v[i]));
	}
}

static int add_logs(struct bundle *b, const struct root *root, struct err *e)
{
	static const char dir[] = "var/log/etcd-rescue";
	struct names names = { 0 };
	struct err ignored;

	if (names_read(&names, b->app->arena, root, dir, &ignored))
		return 0;
	/* They are named by time, and names come in order. */
	for (size_t i = names.n > LOGS ? names.n - LOGS : 0; i < names.n; i++) {
		const char *path = arena_print(b->app->arena, "%s/%s", dir, names.v[i]);
		if (str_ends(str_from(path), STR(".jsonl")) &&
			add_file(
				b, root, path, arena_print(b->app->arena, "log/%s", names.v[i]), e))
			return e->code;
	}
	return 0;
}

static int fill(struct bundle *b, const struct root *target, const struct root *run, struct err *e)
{
	static const char *const machine[] = { "/proc/self/exe", "boot", "--dry-run", "--json",
		NULL };
	static const char *const plan[] = { "/proc/self/exe", "plan", NULL };
	static const char *const told[] = { "events.jsonl", "boot.log", "result.json",
		"found.yaml" };
	static const char *const proc[] = { "cmdline", "meminfo", "mounts", "partitions", "mdstat",
		"modules", "net/dev", "net/route", "net/ipv6_route", "uptime" };
	struct app *app = b->app;

	for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
		if (add_file(b, run, told[i], told[i], e))
			return e->code;
	}
	if (add_kernel_log(b, e) || add_command(b, machine, "machine.jsonl", e) ||
		add_command(b, plan, "plan.yaml", e))
		return e->code;
	for (size_t i = 0; i < sizeof proc / sizeof *proc; i++) {
		/* Not of ours: `mounts` is a link to it. */
		const char *path = arena_print(app->arena, "proc/%s%s",
			strchr(proc[i], '/') || !strcmp(proc[i], "mounts") ? "self/" : "", proc[i]);
		if (add_file(b, &app->root, path, arena_print(app->arena, "proc/%s", proc[i]), e))
			return e->code;
	}
	if (add_file(b, &app->root, "etc/resolv.conf", "resolv.conf", e) ||
		add_file(b, target, "var/lib/etcd-rescue/journal", "journal.json", e) ||
		add_file(b, target, "var/lib/etcd-rescue/intent", "intent.json", e))
		return e->code;
	return add_logs(b, target, e);
}

static int pack(
	struct bundle *b, int fd, const struct root *target, const struct root *run, struct err *e)
{
	b->archive = archive_write_new();
	if (!b->archive)
		out_of_memory(0);
	if (archive_write_add_filter_zstd(b->archive) != ARCHIVE_OK ||
		archive_write_set_format_pax_restricted(b->archive) != ARCHIVE_OK ||
		archive_write_open_fd(b->archive, fd) != ARCHIVE_OK)
		err_set(e, ERR_IO, "archive: %s", archive_error_string(b->archive));
	else if (!fill(b, target, run, e) && archive_write_close(b->archive) != ARCHIVE_OK)
		err_set(e, ERR_IO, "archive: %s", archive_error_string(b->archive));
	archive_write_free(b->archive);
	return e->code;
}

static int print(const struct bundle *b, const char *path, bool as_json, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(16 * 1024);
	struct json j = JSON(&out);

	if (!as_json) {
		if (buf_print(&out, e,
			    "%s: %zu files; without secrets as far as they are known, but look "
			    "into it before you give it away\n",
			    path, b->n_files))
			return e->code;
		return app_print(&out, e);
	}
	json_open(&j, '{');
	json_key_text(&j, "event", "report-bundle");
	json_key_text(&j, "file", path);
	json_key_u64(&j, "files", b->n_files);
	json_key_u64(&j, "bytes", b->bytes);
	json_close(&j, '}');
	return json_end(&j, e) || buf_add(&out, "\n", 1, e) ? e->code : app_print(&out, e);
}

static int report_run(struct app *app, struct err *e)
{
	const struct report_options *o = app->options;
	const char *path = o->output ? o->output : "etcd-rescue-report.tar.zst";
	const char *part = arena_print(app->arena, "%s.part", path);
	CLEAN_ROOT struct root target = NO_ROOT, run = NO_ROOT;
	struct bundle b = { .app = app, .secrets = BUF(64 * 1024) };
	struct err ignored;

	*e = (struct err){ 0 };
	if (!o->force && !access(path, F_OK))
		return err_set(e, ERR_DECLINED, "%s: is there already; --force replaces it", path);
	if (root_open(&target, o->root ? o->root : "/", e))
		return e->code;
	/* Without one nothing has run here; the rest may still help. */
	root_open(&run, o->run ? o->run : "/run/etcd-rescue", &ignored);
	unlink(part);
	CLOSE_FD int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%s", part);
	learn_secrets(&b, &run);
	if (pack(&b, fd, &target, &run, e) || file_sync(fd, e))
		goto out;
	if (rename(part, path)) {
		err_sys(e, "%s", path);
		goto out;
	}
	print(&b, path, o->common.json, e);
out:
	if (e->code)
		unlink(part);
	if (b.secrets.p)
		explicit_bzero(b.secrets.p, b.secrets.room);
	buf_free(&b.secrets);
	return e->code;
}

static const struct option_row rows[] = {
	{ "output", 'o', OPTION_TEXT, offsetof(struct report_options, output), "FILE",
		"where to write it (etcd-rescue-report.tar.zst)" },
	{ "force", 0, OPTION_FLAG, offsetof(struct report_options, force), NULL,
		"replace a file that is there" },
	{ "root", 0, OPTION_TEXT, offsetof(struct report_options, root), "DIR",
		"take journal and logs of the disk that is mounted at DIR" },
	{ "run", 0, OPTION_TEXT, offsetof(struct report_options, run), "DIR",
		"where the running image keeps its events (/run/etcd-rescue)" },
	{ 0 },
};

const struct applet applet_report = {
	.name = "report",
	.purpose = "pack what happened into one archive, without secrets",
	.about =
		"A tar.zst for whoever looks into it later: events, the text of the boot, the\n"
		"kernel's log, what the machine is made of, its network, the plan as it is shown,\n"
		"the journal and the logs of the disk.  Passwords, keys, hashes and what follows\n"
		"the '?' of an address are hidden.  The image writes one after each failure.",
	.options = rows,
	.options_size = sizeof(struct report_options),
	.run = report_run,
};
