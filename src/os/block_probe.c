/* Reading the disks themselves, without trusting any of them to answer. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/block.h"
#include "os/file.h"
#include "os/gpt.h"

/* So many disks at a time: enough that a few dead ones hold up nobody, few enough for the
 * memory of a small machine when a SAN shows hundreds of paths. */
enum { CHILDREN = 16 };

enum state { WAITING, ANSWERED, REFUSED };

/* One disk or partition; shared with the child that reads it. */
struct cell {
	enum state state;
	struct superblock content;
	char trouble[160];
	char uuid[GPT_UUID]; /* of a partition, by its table */
};

static void probe_node(
	struct cell *cell, const struct root *root, const char *name, uint64_t size, bool no_tail)
{
	CLOSE_FD int fd = -1;
	char path[300];
	struct err e;

	snprintf(path, sizeof path, "dev/%s", name);
	if (!root_open_at(&fd, root, path, O_RDONLY | O_NOCTTY, &e) &&
		!superblock_probe_fd(&cell->content, fd, size, no_tail, &e)) {
		cell->state = ANSWERED;
		return;
	}
	if (e.errnum == ENOMEDIUM)
		snprintf(cell->trouble, sizeof cell->trouble, "no medium in the drive");
	else if (e.errnum == EACCES || e.errnum == EPERM)
		snprintf(cell->trouble, sizeof cell->trouble, "reading it is not permitted");
	else
		snprintf(cell->trouble, sizeof cell->trouble, "cannot be read: %.120s", e.text);
	cell->state = REFUSED;
}

/* What one child does: the disk, then its partitions. */
static void probe_disk(struct cell *cells, const struct root *root, const struct block *b)
{
	CLOSE_FD int fd = -1;
	char path[300];
	struct err none = { 0 };

	probe_node(cells, root, b->name, b->size, b->optical);
	for (size_t i = 0; i < b->n_parts; i++)
		probe_node(cells + 1 + i, root, b->parts[i].name, b->parts[i].size, b->optical);
	snprintf(path, sizeof path, "dev/%s", b->name);
	if (cells->content.table != TABLE_GPT || root_open_at(&fd, root, path, O_RDONLY, &none))
		return;
	for (size_t i = 0; i < b->n_parts; i++) {
		if (gpt_partition_uuid(cells[1 + i].uuid, fd, b->sector, b->parts[i].number, &none))
			cells[1 + i].uuid[0] = '\0';
	}
}

static bool start(pid_t *child, int pipe_end, struct cell *cells, const struct root *root,
	const struct block *b)
{
	const pid_t pid = fork();

	if (pid < 0)
		return false;
	if (!pid) {
		probe_disk(cells, root, b);
		const uint8_t done = 0;
		const ssize_t n = write(pipe_end, &done, 1);
		_exit(n == 1 ? 0 : 1);
	}
	*child = pid;
	return true;
}

static void reap(pid_t *children, size_t *running)
{
	for (size_t i = 0; i < *running;) {
		if (waitpid(children[i], NULL, WNOHANG) == 0)
			i++;
		else
			children[i] = children[--*running];
	}
}

/* Wait until a child has something to say, or until the time is over. */
static bool wait_one(int fd, int64_t deadline)
{
	uint8_t seen[CHILDREN];
	struct err e;
	size_t got;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const int64_t left = deadline - monotonic_ms();

	if (left <= 0)
		return false;
	/* Not for the whole time: a child that was killed says nothing, but can be reaped. */
	if (poll(&p, 1, left < 100 ? (int)left : 100) > 0)
		file_read_some(&got, fd, seen, sizeof seen, &e);
	return true;
}

static void probe_all(struct cell *cells, const size_t *first, const struct block *blocks, size_t n,
	const struct root *root, int limit_ms)
{
	const int64_t deadline = monotonic_ms() + limit_ms;
	pid_t children[CHILDREN];
	size_t running = 0, next = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return;
	while (next < n || running) {
		while (next < n && running < CHILDREN &&
			start(&children[running], ends[1], cells + first[next], root,
				&blocks[next])) {
			running++;
			next++;
		}
		if (!wait_one(ends[0], deadline))
			break;
		reap(children, &running);
	}
	/* Who reads a dead disk sleeps in the kernel and dies when that gives up; PID 1 reaps. */
	for (size_t i = 0; i < running; i++)
		kill(children[i], SIGKILL);
	reap(children, &running);
	close(ends[0]);
	close(ends[1]);
}

static const char *take(struct superblock *content, struct arena *a, const struct cell *cell)
{
	switch (cell->state) {
	case ANSWERED:
		*content = cell->content;
		return NULL;
	case REFUSED:
		return arena_copy(a, str_from(cell->trouble));
	case WAITING:
		break;
	}
	return "does not answer";
}

void block_probe(
	struct block *blocks, size_t n, struct arena *a, const struct root *root, int limit_ms)
{
	size_t n_cells = 0;
	size_t *first = arena_array(a, n ? n : 1, sizeof *first);

	for (size_t i = 0; i < n; i++) {
		first[i] = n_cells;
		n_cells += 1 + blocks[i].n_parts;
	}
	if (!n_cells)
		return;
	const size_t size = n_cells * sizeof(struct cell);
	struct cell *cells =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cells == MAP_FAILED)
		return;
	probe_all(cells, first, blocks, n, root, limit_ms);
	for (size_t i = 0; i < n; i++) {
		blocks[i].trouble = take(&blocks[i].content, a, &cells[first[i]]);
		for (size_t k = 0; k < blocks[i].n_parts; k++) {
			const struct cell *cell = &cells[first[i] + 1 + k];
			struct block_part *part = &blocks[i].parts[k];
			part->trouble = take(&part->content, a, cell);
			/* Not every kernel tells it. */
			if (!part->uuid && *cell->uuid)
				part->uuid = arena_copy(a, str_from(cell->uuid));
		}
	}
	munmap(cells, size);
}
