/* ui/json.h - the same events, one JSON object a line
 *
 *   {"event":"warning","step":"network","text":"eth0 has no carrier"}
 *   {"event":"progress","step":"fetch","done":1048576,"total":2644480032}
 *
 * Source:     RFC 8259; the events of base/event.h.
 * Units:      as the event has them.
 * Ownership:  the listener borrows `*fd`, which the caller keeps.
 * Errors:     none, as in ui/console.h.
 */
#pragma once

#include "base/event.h"

struct listener ui_json_listener(int *fd);
