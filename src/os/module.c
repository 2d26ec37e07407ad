#include "os/module.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/attribute.h"
#include "os/file.h"
#include "os/process.h"

/* A command line may be longer, but not by much on every kernel. */
enum { ARGUMENTS_MAX = 96 * 1024, LIST_MAX = 64 * 1024 };

static void keep(struct names *list, size_t *room, struct arena *a, const char *name)
{
	if (list->n == *room) {
		const size_t more = *room ? 2 * *room : 64;
		const char **wider = arena_array(a, more, sizeof *wider);
		if (list->n)
			memcpy(wider, list->v, list->n * sizeof *list->v);
		list->v = wider;
		*room = more;
	}
	list->v[list->n++] = name;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int module_aliases(struct names *aliases, struct arena *a, const struct root *root, struct err *e)
{
	struct names buses = { 0 }, all = { 0 };
	size_t room = 0, n = 0;

	if (names_read(&buses, a, root, "sys/bus", e))
		return e->code;
	for (size_t b = 0; b < buses.n; b++) {
		struct names devices = { 0 };
		struct err none = { 0 };
		const char *path = arena_print(a, "sys/bus/%s/devices", buses.v[b]);
		if (!strcmp(buses.v[b], "cpu") || names_read(&devices, a, root, path, &none))
			continue;
		for (size_t d = 0; d < devices.n && all.n < NAMES_MAX; d++) {
			const char *alias =
				attribute_text(a, root, "%s/%s/modalias", path, devices.v[d]);
			if (alias)
				keep(&all, &room, a, alias);
		}
	}
	if (all.n)
		qsort(all.v, all.n, sizeof *all.v, compare);
	for (size_t i = 0; i < all.n; i++) {
		if (!n || strcmp(all.v[n - 1], all.v[i]))
			all.v[n++] = all.v[i];
	}
	*aliases = (struct names){ all.v, n };
	return 0;
}

struct names module_new_aliases(struct arena *a, const struct names *all, const struct names *known)
{
	struct names new = { 0 };
	size_t room = 0;

	for (size_t i = 0; i < all->n; i++) {
		if (!known->n ||
			!bsearch(&all->v[i], known->v, known->n, sizeof *known->v, compare))
			keep(&new, &room, a, all->v[i]);
	}
	return new;
}

/* "pci:v00001000d0000005Dsv...bc01sc04i00": base class 01 is storage, 0C04 Fibre Channel. */
bool module_is_storage(const char *alias)
{
	return !strncmp(alias, "pci:", 4) && (strstr(alias, "bc01sc") || strstr(alias, "bc0Csc04"));
}

bool module_is_late_storage(const char *alias)
{
	/* 01 IDE, 06 SATA, 08 NVMe, and virtio, whose class says SCSI. */
	return module_is_storage(alias) && !strstr(alias, "bc01sc01") &&
	       !strstr(alias, "bc01sc06") && !strstr(alias, "bc01sc08") &&
	       !strstr(alias, "v00001AF4");
}

void module_listed(struct names *names, struct arena *a, const struct root *root, const char *path)
{
	CLEAN_BUF struct buf b = BUF(LIST_MAX);
	struct err e;
	struct str line, code, comment, word;
	size_t room = 0;

	*names = (struct names){ 0 };
	if (file_read(&b, root, path, &e))
		return;
	struct str rest = buf_text(&b);
	while (str_next(&line, &rest, '\n')) {
		str_cut(&code, &comment, line, '#');
		if (str_word(&word, &code))
			keep(names, &room, a, arena_copy(a, word));
	}
}

int module_load(const struct names *aliases, struct arena *a, int limit_ms, struct err *e)
{
	const int64_t deadline = monotonic_ms() + limit_ms;
	size_t next = 0;

	while (next < aliases->n) {
		const char **argv = arena_array(a, aliases->n - next + 5, sizeof *argv);
		size_t n = 0, bytes = 0;
		int status;

		argv[n++] = "/bin/modprobe";
		argv[n++] = "-a";
		argv[n++] = "-b";
		argv[n++] = "-q";
		while (next < aliases->n && bytes < ARGUMENTS_MAX) {
			bytes += strlen(aliases->v[next]) + 1 + sizeof(char *);
			argv[n++] = aliases->v[next++];
		}
		argv[n] = NULL;
		const int64_t left = deadline - monotonic_ms();
		/* Its status only says that some alias has no module, which is the rule. */
		if (process_run(&status, argv, left > 1000 ? (int)left : 1000, NULL, e))
			return e->code;
	}
	return 0;
}

size_t module_count(const struct root *root)
{
	CLEAN_BUF struct buf b = BUF(1024 * 1024);
	struct err e;
	struct str line;
	size_t n = 0;

	if (file_read(&b, root, "proc/modules", &e))
		return 0;
	struct str rest = buf_text(&b);
	while (str_next(&line, &rest, '\n'))
		n += line.len != 0;
	return n;
}

int module_listen(void)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	const int fd = socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&kernel, sizeof kernel)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* How many devices came; -1 when nothing more is waiting. */
static int hear_one(int listener)
{
	char message[8192];
	const ssize_t len = recv(listener, message, sizeof message, 0);

	if (len < 0)
		/* ENOBUFS: so many came that some were lost. */
		return errno == ENOBUFS ? 1 : -1;
	return len > 4 && (!memcmp(message, "add@", 4) || !memcmp(message, "bind", 4));
}

size_t module_wait(int listener, int quiet_ms, int limit_ms)
{
	const int64_t deadline = monotonic_ms() + limit_ms;
	int64_t quiet_until = monotonic_ms() + quiet_ms;
	size_t n = 0;

	for (;;) {
		const int64_t now = monotonic_ms();
		const int64_t until = quiet_until < deadline ? quiet_until : deadline;
		if (now >= until)
			return n;
		struct pollfd p = { .fd = listener, .events = POLLIN };
		if (poll(&p, 1, (int)(until - now)) <= 0)
			continue;
		for (int one; (one = hear_one(listener)) >= 0;) {
			if (!one)
				continue;
			n++;
			quiet_until = monotonic_ms() + quiet_ms;
		}
	}
}

void module_orphans(
	struct module_orphan **orphans, size_t *n, struct arena *a, const struct root *root)
{
	struct names devices = { 0 };
	struct err e = { 0 };
	size_t count = 0;

	*n = 0;
	*orphans = NULL;
	if (names_read(&devices, a, root, "sys/bus/pci/devices", &e) || !devices.n)
		return;
	struct module_orphan *list = arena_array(a, devices.n, sizeof *list);
	for (size_t i = 0; i < devices.n; i++) {
		const char *name = devices.v[i];
		const uint64_t class =
			attribute_u64(0, root, "sys/bus/pci/devices/%s/class", name) >> 16;
		if ((class != 1 && class != 2) ||
			attribute_link(a, root, "sys/bus/pci/devices/%s/driver", name))
			continue;
		const char *vendor = attribute_text(a, root, "sys/bus/pci/devices/%s/vendor", name);
		const char *device = attribute_text(a, root, "sys/bus/pci/devices/%s/device", name);
		list[count++] = (struct module_orphan){
			.address = name,
			.kind = class == 1 ? "storage" : "network",
			.vendor = vendor && !strncmp(vendor, "0x", 2) ? vendor + 2 : vendor,
			.device = device && !strncmp(device, "0x", 2) ? device + 2 : device,
		};
	}
	*orphans = list;
	*n = count;
}
