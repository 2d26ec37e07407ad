#include "os/system.h"

#include <fcntl.h>
#include <string.h>

#include "os/attribute.h"
#include "os/file.h"

enum { TEXT_MAX = 4 * 1024 * 1024 };

/* The value of "NAME: VALUE" lines: meminfo, cpuinfo. */
static bool next_pair(struct str *name, struct str *value, struct str *rest)
{
	struct str line;

	while (str_next(&line, rest, '\n')) {
		if (!str_cut(name, value, line, ':'))
			continue;
		*name = str_trim(*name);
		*value = str_trim(*value);
		return true;
	}
	return false;
}

static uint64_t kilobytes(struct str value)
{
	struct str number;
	uint64_t kb = 0;

	if (!str_word(&number, &value) || !str_u64(&kb, number, 10, UINT64_MAX / 1024))
		return 0;
	return kb * 1024;
}

void system_memory(uint64_t *total, uint64_t *available, const struct root *root)
{
	CLEAN_BUF struct buf b = BUF(TEXT_MAX);
	struct err e;
	struct str name, value;

	*total = *available = 0;
	if (file_read(&b, root, "proc/meminfo", &e))
		return;
	struct str rest = buf_text(&b);
	while (next_pair(&name, &value, &rest)) {
		if (str_is(name, "MemTotal"))
			*total = kilobytes(value);
		else if (str_is(name, "MemAvailable"))
			*available = kilobytes(value);
	}
}

static void read_cpus(struct system *s, struct arena *a, const struct root *root)
{
	CLEAN_BUF struct buf b = BUF(TEXT_MAX);
	struct err e;
	struct str name, value;

	/* With thousands of processors the text is cut; the count is then too low. */
	(void)file_read(&b, root, "proc/cpuinfo", &e);
	struct str rest = buf_text(&b);
	while (next_pair(&name, &value, &rest)) {
		if (str_is(name, "processor"))
			s->n_cpus++;
		else if (str_is(name, "model name") && !s->cpu)
			s->cpu = arena_copy(a, value);
	}
}

/* Four bytes of attributes, then the value, here one byte of 0 or 1. */
static int efi_flag(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	uint8_t bytes[8];
	size_t got = 0;
	struct err e;

	if (root_open_at(&fd, root, path, O_RDONLY, &e) ||
		file_read_some(&got, fd, bytes, sizeof bytes, &e) || got != 5 || bytes[4] > 1)
		return -1;
	return bytes[4];
}

/* "none [integrity] confidentiality": the one in brackets holds. */
static const char *read_lockdown(struct arena *a, const struct root *root)
{
	const char *all = attribute_text(a, root, "sys/kernel/security/lockdown");
	struct str before, after, word;

	if (!all || !str_cut(&before, &after, str_from(all), '[') ||
		!str_cut(&word, &before, after, ']'))
		return NULL;
	return arena_copy(a, word);
}

void system_read(struct system *system, struct arena *a, const struct root *root)
{
	struct system s = { .secure_boot = -1, .setup_mode = -1 };

	s.kernel = attribute_text(a, root, "proc/sys/kernel/osrelease");
	s.line = attribute_text(a, root, "proc/cmdline");
	s.lockdown = read_lockdown(a, root);
	system_memory(&s.memory, &s.available, root);
	read_cpus(&s, a, root);
	if (root_exists(root, "sys/firmware/efi")) {
		s.firmware = "uefi";
		s.secure_boot = efi_flag(root, "sys/firmware/efi/efivars/"
					       "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
		s.setup_mode = efi_flag(root, "sys/firmware/efi/efivars/"
					      "SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c");
	} else if (root_exists(root, "sys/firmware/devicetree/base")) {
		s.firmware = "devicetree";
	} else if (root_exists(root, "sys/firmware")) {
		s.firmware = "bios";
	}
	*system = s;
}
