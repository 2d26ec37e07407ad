/* plan/stage.h - files that appear whole, all of them or none
 *
 *   stage_open      the directory they go to
 *   stage_begin     a nameless file in it (where the file system can), or one that is called
 *                   .NAME.part and locked
 *   stage_publish   on the disk, then all get their names; when one cannot, those before lose
 *                   theirs again
 *   stage_close     what has no name yet is gone, and directories made on the way
 *
 * A file that is there already is never replaced unless `replace` says so.
 *
 * Source:     open(2), O_TMPFILE; linkat(2); rename(2).
 * Units:      bytes.
 * Ownership:  the stage owns descriptors; names live in the arena.
 * Errors:     ERR_DECLINED a file is there already; ERR_NOTFOUND, ERR_SPACE, ERR_IO.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

enum { STAGE_FILES = 4096, STAGE_DEPTH = 16 };

struct stage_file {
	int fd, dir;
	const char *path;       /* below the stage's directory, for people */
	const char *name;       /* its last part */
	const char *part;       /* NULL: nameless */
	const char *made_below; /* the first directory that was made for it; NULL: none */
	bool published;
};

struct stage {
	struct arena *arena;
	int dir;
	const char *path; /* of the directory */
	bool replace;
	bool named; /* use no nameless files, though the file system might take them */
	bool made, done;
	struct stage_file **v;
	size_t n;
};

#define NO_STAGE    ((struct stage){ .dir = -1 })
#define CLEAN_STAGE __attribute__((cleanup(stage_close)))

/* With `make` a missing directory is made; not those above it. */
int stage_open(struct stage *stage, struct arena *a, const char *path, bool make, struct err *e);

/* `path` below the directory; directories in it are made, no link is followed.  Refused at
 * once when fewer than `size` bytes are free; 0: not known. */
int stage_begin(struct stage_file **file, struct stage *stage, const char *path, uint64_t size,
	struct err *e);
int stage_publish(struct stage *stage, struct err *e);

/* All that was begun since `n` files were there turned out bad. */
void stage_drop(struct stage *stage, size_t n);
void stage_close(struct stage *stage);
