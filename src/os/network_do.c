#include "os/network_do.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "os/network_actions.h"
#include "os/process.h"

extern char **environ;

enum { COMMAND_MS = 15000, MODULE_MS = 60000, END_TRIES = 150 };

static int print_word(struct buf *out, const char *word, struct err *e)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._:=+-@%,";

	if (*word && strspn(word, plain) == strlen(word))
		return buf_print(out, e, "%s", word);
	if (buf_print(out, e, "'"))
		return e->code;
	for (; *word; word++) {
		if (*word == '\n' ? buf_print(out, e, "\\n")
				  : buf_print(out, e, *word == '\'' ? "'\\''" : "%c", *word))
			return e->code;
	}
	return buf_print(out, e, "'");
}

static int print_action(struct buf *out, const struct action *action, struct err *e)
{
	for (size_t i = 0; action->argv && action->argv[i]; i++) {
		if (i && buf_print(out, e, " "))
			return e->code;
		if (print_word(out, action->argv[i], e))
			return e->code;
	}
	if (!action->argv) {
		if (buf_print(out, e, strchr(action->value, '\n') ? "printf " : "echo ") ||
			print_word(out, action->value, e) || buf_print(out, e, " >") ||
			print_word(out, action->path, e))
			return e->code;
	}
	if (action->stays && buf_print(out, e, " &"))
		return e->code;
	if (action->when && buf_print(out, e, "  # %s", action->when))
		return e->code;
	return buf_print(out, e, "\n");
}

int network_actions_print(struct buf *out, const struct actions *list, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		if (print_action(out, &list->v[i], e))
			return e->code;
	}
	return 0;
}

static int write_value(const char *path, const char *value, struct err *e)
{
	CLOSE_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_sys(e, "%s", path);
	if (file_write(fd, value, strlen(value), e))
		return err_wrap(e, "%s: %s", path, value);
	return 0;
}

/* In a session of its own, so that the end of ours does not end it. */
static int start_client(const struct action *action, struct err *e)
{
	char log[128];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	char *const *args;

	snprintf(log, sizeof log, NETWORK_STATE "/%s.log", action->link);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(
		&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	memcpy(&args, &action->argv, sizeof args); /* posix_spawn changes nothing */
	errno = posix_spawn(&pid, args[0], &files, &attributes, args, environ);
	const int failed = errno;
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	errno = failed;
	return failed ? err_sys(e, "%s", args[0]) : 0;
}

static int run_command(const struct action *action, struct err *e)
{
	CLEAN_BUF struct buf said = BUF(4096);
	const bool module = !strcmp(action->argv[0], "/bin/modprobe");
	int status = 0;

	if (process_run(&status, action->argv, module ? MODULE_MS : COMMAND_MS, &said, e))
		return e->code;
	if (!status)
		return 0;

	CLEAN_BUF struct buf command = BUF(4096);
	struct err ignored;
	struct str first, rest;
	str_cut(&first, &rest, str_trim(buf_text(&said)), '\n');
	print_action(&command, action, &ignored);
	const struct str line = str_trim(buf_text(&command));
	return err_set(e, ERR_NET, "%.*s: %.*s", STR_ARG(line), STR_ARG(first));
}

void network_do(const struct actions *list, size_t from, const struct listener *listener)
{
	for (size_t i = from; i < list->n; i++) {
		const struct action *action = &list->v[i];
		struct err e;
		const int bad = !action->argv   ? write_value(action->path, action->value, &e)
				: action->stays ? start_client(action, &e)
						: run_command(action, &e);
		if (bad && action->may_fail)
			event_debug(listener, "network", "%s", e.text);
		else if (bad)
			event_warning(listener, "network", "%s", e.text);
	}
}

/* Gone, or dead and not yet buried by its parent, which may be us. */
static bool is_gone(const struct root *root, uint64_t pid)
{
	char path[64], stat[256];

	waitpid((pid_t)pid, NULL, WNOHANG);
	snprintf(path, sizeof path, "/proc/%ju/stat", (uintmax_t)pid);
	file_read_line(stat, sizeof stat, root, path);
	return !*stat || strstr(stat, ") Z");
}

/* Only what calls itself udhcpc is ended: a number in a file may be somebody else's now. */
static void end_client(const struct root *root, const char *link, const char *family)
{
	char path[128], line[64], comm[64];
	uint64_t pid;

	snprintf(path, sizeof path, NETWORK_STATE "/%s%s.pid", link, family);
	file_read_line(line, sizeof line, root, path);
	unlink(path);
	if (!str_u64(&pid, str_from(line), 10, INT32_MAX) || pid < 2)
		return;
	snprintf(path, sizeof path, "/proc/%s/comm", line);
	file_read_line(comm, sizeof comm, root, path);
	if (strncmp(comm, "udhcpc", 6))
		return;
	kill((pid_t)pid, SIGTERM);
	/* It ends when its script has ended, which may still write. */
	for (int tries = 0; tries < END_TRIES && !is_gone(root, pid); tries++) {
		const struct timespec pause = { .tv_nsec = 20000000 };
		nanosleep(&pause, NULL);
	}
}

/* "0020-eth0.dns", "eth0.lease", "eth0.6.lease", "eth0.ra.dns" are all of eth0. */
static bool is_of(const char *file, const char *link)
{
	static const char *const ends[] = { ".lease", ".6.lease", ".dns", ".6.dns", ".ra.dns" };
	const char *dash = strchr(file, '-');

	if (dash && strspn(file, "0123456789") == (size_t)(dash - file))
		file = dash + 1;
	const size_t len = strlen(link);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		if (!strncmp(file, link, len) && !strcmp(file + len, ends[i]))
			return true;
	}
	return false;
}

void network_end_clients(const char *link)
{
	CLEAN_ROOT struct root root = NO_ROOT;
	struct err e;

	if (root_open(&root, "/", &e))
		return;
	end_client(&root, link, "");
	end_client(&root, link, ".6");
	DIR *dir = opendir(NETWORK_STATE);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (is_of(entry->d_name, link))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

int network_note(const char *name, struct str text, struct err *e)
{
	mkdir("/run", 0755);
	mkdir("/run/etcd-rescue", 0755);
	mkdir(NETWORK_STATE, 0755);
	CLOSE_FD int dir = open(NETWORK_STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, NETWORK_STATE);
	return file_replace(dir, name, (struct span){ (const uint8_t *)text.p, text.len }, 0644, e);
}
