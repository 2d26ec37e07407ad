#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "os/file.h"
#include "os/process.h"

enum {
	OLDEST = 1767225600, /* 2026-01-01: this program is not older */
	YEARS_AHEAD = 20,
	YEAR = 31556952,
	NTP_MS = 20000,
	SERVERS = 8,
};

/* Of a text that holds "(2026-11-20)", as Debian's kernels do. */
static int64_t date_in(struct str text)
{
	for (size_t i = 0; i + 12 <= text.len; i++) {
		const char *p = text.p + i;
		uint64_t year, month, day;
		if (p[0] != '(' || p[5] != '-' || p[8] != '-' || p[11] != ')' ||
			!str_u64(&year, (struct str){ p + 1, 4 }, 10, 9999) ||
			!str_u64(&month, (struct str){ p + 6, 2 }, 10, 12) ||
			!str_u64(&day, (struct str){ p + 9, 2 }, 10, 31) || year < 1970)
			continue;
		struct tm tm = {
			.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day
		};
		return timegm(&tm);
	}
	return 0;
}

static int64_t modified(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct stat st;
	struct err e;

	return root_open_at(&fd, root, path, O_PATH, &e) || fstat(fd, &st) ? 0 : st.st_mtime;
}

void clock_check(struct clock_state *state, const struct root *root)
{
	char version[1024];
	struct timespec now;

	file_read_line(version, sizeof version, root, "/proc/version");
	const int64_t kernel = date_in(str_from(version));
	const int64_t image = modified(root, "/etc/etcd-rescue/manifest");
	int64_t floor = OLDEST;
	if (kernel > floor)
		floor = kernel;
	if (image > floor)
		floor = image;
	clock_gettime(CLOCK_REALTIME, &now);
	*state = (struct clock_state){
		.now = now.tv_sec,
		.floor = floor,
		.believable =
			now.tv_sec >= floor && now.tv_sec < floor + (int64_t)YEARS_AHEAD * YEAR,
		.rtc = root_exists(root, "/dev/rtc0"),
	};
}

static int64_t in_ms(const struct timespec *t)
{
	return t->tv_sec * 1000LL + t->tv_nsec / 1000000;
}

/* The clock against one that nobody sets: its change is what the setting did. */
static int64_t lead_ms(void)
{
	struct timespec real, steady;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &steady);
	return in_ms(&real) - in_ms(&steady);
}

static void write_rtc(void)
{
	CLOSE_FD int fd = open("/dev/rtc0", O_WRONLY | O_CLOEXEC);
	const time_t now = time(NULL);
	struct tm tm;

	if (fd < 0 || !gmtime_r(&now, &tm))
		return;
	const struct rtc_time t = {
		.tm_sec = tm.tm_sec,
		.tm_min = tm.tm_min,
		.tm_hour = tm.tm_hour,
		.tm_mday = tm.tm_mday,
		.tm_mon = tm.tm_mon,
		.tm_year = tm.tm_year,
	};
	ioctl(fd, RTC_SET_TIME, &t);
}

int clock_step(int64_t *off_ms, int64_t to_ms, struct err *e)
{
	const int64_t before = lead_ms();
	const struct timespec to = { to_ms / 1000, (long)(to_ms % 1000) * 1000000 };

	if (clock_settime(CLOCK_REALTIME, &to))
		return err_sys(e, "set the clock");
	*off_ms = lead_ms() - before;
	write_rtc();
	return 0;
}

int clock_ntp(int64_t *off_ms, const char *const *servers, size_t n, struct err *e)
{
	const char *argv[4 + 2 * SERVERS] = { "/bin/ntpd", "-n", "-q" };
	CLEAN_BUF struct buf said = BUF(4096);
	struct str last, line;
	int status = 0;

	if (!n)
		return err_set(e, ERR_NOTFOUND, "no time server is known");
	for (size_t i = 0; i < n && i < SERVERS; i++) {
		argv[3 + 2 * i] = "-p";
		argv[4 + 2 * i] = servers[i];
	}
	const int64_t before = lead_ms();
	if (process_run(&status, argv, NTP_MS, &said, e))
		return err_set(e, ERR_NET, "no time server answered: %s%s", servers[0],
			n > 1 ? ", ..." : "");
	if (status) {
		last = (struct str){ NULL, 0 };
		for (struct str rest = str_trim(buf_text(&said)); str_next(&line, &rest, '\n');)
			last = line;
		return err_set(e, ERR_NET, "time server %s: %.*s", servers[0], STR_ARG(last));
	}
	*off_ms = lead_ms() - before;
	write_rtc();
	return 0;
}

void clock_print(char text[static 32], int64_t t)
{
	const time_t time = t;
	struct tm tm;

	if (!gmtime_r(&time, &tm) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(text, 32, "an impossible time");
}
