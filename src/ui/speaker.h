/* ui/speaker.h - one text to every console that lives, without waiting for any of them
 *
 * What is written into the speaker's pipe is passed on by a process of its own.  A serial
 * line takes text at its own speed; one that takes none loses it and holds up nobody.  A
 * terminal that hangs up, as one does when a shell on it ends, is opened again.
 * When the program that started it is gone (its children that run on do not count), the
 * process stays until each console has all of the text, or has taken nothing for five
 * seconds.
 *
 * Source:     pipe(7), fork(2), poll(2).
 * Units:      bytes; a console may be TEXT_MAX (128 KB) behind before it loses text.
 * Ownership:  the descriptor is the caller's.
 * Errors:     ERR_IO when there can be no pipe or process.  A console that cannot be opened
 *             is left out.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

enum { SPEAKER_MAX = 32 };

/* Begin to pass on to these devices and files; files are appended to.  `*pipe_end` is where
 * to write.  Once a program's life: the speaker ends with it. */
int speaker_start(int *pipe_end, const char *const *paths, size_t n, struct err *e);
