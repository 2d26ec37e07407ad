/* source/objects.h - small objects laid down at a place and read again, whole
 *
 *   objects_open    s3://BUCKET[/PREFIX] or https://HOST/PATH[/], http:// too
 *   objects_put     PLACE/NAME becomes these bytes
 *   objects_get     what PLACE/NAME is now
 *   objects_close
 *
 * For what machines tell each other, not for data: one request each, with few repetitions and
 * one deadline. Over https the server has to take PUT (WebDAV, a gateway of an object store).
 *
 * `only_new` asks the server to write only where nothing is (If-None-Match: *). Many say yes and
 * overwrite: no status is proof of it, what counts is what objects_get finds afterwards;
 * objects_probe_new finds out whether this one knows it.
 *
 * Source:     RFC 9110 (PUT, If-None-Match); Amazon S3 user guide, "conditional writes".
 * Units:      bytes; milliseconds.
 * Ownership:  settings are borrowed until objects_close.
 * Errors:     objects_get: ERR_NOTFOUND there is none; ERR_SPACE longer than `bytes` may grow;
 *             else as source/source.h. objects_put with `only_new`: ERR_DECLINED, where the
 *             server says that there is one.
 */
#pragma once

#include "base/buf.h"
#include "source/source.h"

struct objects;

int objects_open(struct objects **objects, const struct source_settings *settings,
	unsigned deadline_ms, struct err *e);
int objects_put(
	struct objects *objects, const char *name, struct span bytes, bool only_new, struct err *e);
int objects_get(struct buf *bytes, struct objects *objects, const char *name, struct err *e);

/* Does the server honour `only_new`?  Leaves an object at `name` behind. */
int objects_probe_new(bool *honoured, struct objects *objects, const char *name, struct err *e);

/* The place, for people. */
const char *objects_shown(const struct objects *objects);
void objects_close(struct objects *objects);
