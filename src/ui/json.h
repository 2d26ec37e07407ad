/* ui/json.h - the same events, one JSON object a line
 *
 *   {"event":"warning","step":"network","text":"eth0 has no carrier"}
 *   {"event":"progress","step":"fetch","done":1048576,"total":2644480032,"rate":98566144,
 *    "left":27}
 *
 * Progress is one line a second at most; `rate` is in bytes a second, `left` in seconds;
 * what is not known is null.
 *
 * Source:     RFC 8259; the events of base/event.h.
 * Units:      as the event has them.
 * Ownership:  the listener borrows the struct, which the caller keeps.
 * Errors:     none, as in ui/console.h.
 */
#pragma once

#include "base/event.h"
#include "ui/progress.h"

struct ui_json {
	int fd;
	uint64_t last_ms; /* when progress was last told */
	struct progress progress;
};

struct listener ui_json_listener(struct ui_json *ui, int fd);
