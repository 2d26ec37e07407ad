#include "os/kexec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"

enum { LINE = 128, BLOCK = 65536, ALIGN = 4 };

/* More than this is no initrd. */
#define PART_MAX ((uint64_t)4 << 30)

int kexec_possible(const struct root *machine, struct err *e)
{
	char text[LINE];

	if (!root_exists(machine, "sys/kernel/kexec_loaded"))
		return err_set(
			e, ERR_UNSUPPORTED, "this kernel cannot start another one (no kexec)");
	file_read_line(text, sizeof text, machine, "proc/sys/kernel/kexec_load_disabled");
	if (!strcmp(text, "1"))
		return err_set(
			e, ERR_UNSUPPORTED, "kexec is switched off: kexec_load_disabled is 1");
	return 0;
}

bool kexec_loaded(const struct root *machine)
{
	char text[LINE];

	file_read_line(text, sizeof text, machine, "sys/kernel/kexec_loaded");
	return !strcmp(text, "1");
}

static int open_part(int *fd, uint64_t *len, const struct kexec_part *part, struct err *e)
{
	struct stat st;

	if (root_open_at(fd, part->root, part->path, O_RDONLY | O_NONBLOCK, e))
		return e->code;
	if (fstat(*fd, &st))
		return err_sys(e, "%s", part->path);
	const uint64_t size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || !size || size > PART_MAX || part->at > size ||
		part->len > size - part->at)
		return err_set(e, ERR_FORMAT, "%s: is no kernel and no initrd", part->path);
	*len = part->len ? part->len : size - part->at;
	return 0;
}

static int copy_part(int to, const struct kexec_part *part, struct err *e)
{
	static const uint8_t zeros[ALIGN];
	CLOSE_FD int fd = -1;
	uint8_t block[BLOCK];
	uint64_t len, done = 0;

	if (open_part(&fd, &len, part, e))
		return e->code;
	while (done < len) {
		const size_t n = len - done < BLOCK ? (size_t)(len - done) : BLOCK;
		if (file_read_at(fd, block, n, part->at + done, e) || file_write(to, block, n, e))
			return err_wrap(e, "%s", part->path);
		done += n;
	}
	return file_write(to, zeros, (ALIGN - len % ALIGN) % ALIGN, e);
}

int kexec_join(int *joined, const struct kexec_part *parts, size_t n, struct err *e)
{
	CLOSE_FD int fd = memfd_create("initrd", MFD_CLOEXEC);
	char path[LINE];

	if (fd < 0)
		return err_sys(e, "memory for the initrd");
	for (size_t i = 0; i < n; i++) {
		if (copy_part(fd, &parts[i], e))
			return e->code;
	}
	/* What somebody can still write to is refused as "text file busy". */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	*joined = open(path, O_RDONLY | O_CLOEXEC);
	return *joined < 0 ? err_sys(e, "memory for the initrd") : 0;
}

/* One whole file is read where it is, all else from memory. */
static int open_parts(int *fd, const struct kexec_part *parts, size_t n, struct err *e)
{
	uint64_t len;

	if (n == 1 && !parts->at && !parts->len)
		return open_part(fd, &len, parts, e);
	return kexec_join(fd, parts, n, e);
}

static int refused(struct err *e, const char *kernel)
{
	switch (errno) {
	case EPERM:
	case EKEYREJECTED:
	case ENOKEY:
	case EBADMSG:
	case ENODATA:
		return err_set(e, ERR_UNSUPPORTED,
			"%s: this kernel is locked down and starts only kernels whose signer it "
			"knows; "
			"enrol that key (mokutil --import), or switch Secure Boot off",
			kernel);
	case ENOEXEC:
	case EINVAL:
		return err_set(e, ERR_FORMAT, "%s: is no kernel for this machine", kernel);
	case ENOSYS:
		return err_set(
			e, ERR_UNSUPPORTED, "this kernel cannot start another one (no kexec)");
	default:
		return err_sys(e, "%s: kexec_file_load", kernel);
	}
}

int kexec_load(const struct kexec_part *kernel, const struct kexec_part *initrds, size_t n_initrds,
	const char *options, struct err *e)
{
	CLOSE_FD int kernel_fd = -1;
	CLOSE_FD int initrd_fd = -1;

	if (open_parts(&kernel_fd, kernel, 1, e) ||
		(n_initrds && open_parts(&initrd_fd, initrds, n_initrds, e)))
		return e->code;
	if (syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, strlen(options) + 1, options,
		    n_initrds ? 0UL : (unsigned long)KEXEC_FILE_NO_INITRAMFS))
		return refused(e, kernel->path);
	return 0;
}

static int restart(int how, const char *what, struct err *e)
{
	sync();
	reboot(how);
	return err_sys(e, "%s", what);
}

int kexec_start(struct err *e)
{
	return restart((int)LINUX_REBOOT_CMD_KEXEC, "start of the loaded kernel", e);
}

int kexec_restart(struct err *e)
{
	return restart((int)LINUX_REBOOT_CMD_RESTART, "restart", e);
}

int kexec_poweroff(struct err *e)
{
	return restart((int)LINUX_REBOOT_CMD_POWER_OFF, "power off", e);
}
