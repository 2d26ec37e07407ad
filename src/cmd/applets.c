#include "cmd/applets.h"

#include <unistd.h>

#include "os/file.h"

const struct applet *const applets[] = {
	&applet_boot,
	&applet_console,
	&applet_report,
	&applet_plan,
	&applet_run,
	&applet_handoff,
	&applet_finish,
	&applet_join,
	&applet_rollback,
	&applet_commit,
	&applet_forget,
	&applet_target,
	&applet_rewrite,
	&applet_certs,
	&applet_collect,
	&applet_gate,
	&applet_survivors,
	&applet_list,
	&applet_fetch,
	&applet_network,
	&applet_clock,
	&applet_snapshot_status,
	&applet_snapshot_restore,
	&applet_snapshot_inspect,
	&applet_snapshot_hashkv,
	&applet_keys_get,
	&applet_keys,
	&applet_verify,
	&applet_dump_wal,
	&applet_dump_snap,
	&applet_dump_bolt,
	&applet_completion,
	NULL,
};

int app_print(const struct buf *out, struct err *e)
{
	return file_write(STDOUT_FILENO, out->p, out->len, e) ? err_wrap(e, "stdout") : 0;
}
