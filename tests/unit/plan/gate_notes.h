/* What nodes say of themselves at a gate. */
#pragma once

#include "plan/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "m1", "m2", "m3", "m4", "m5", "m6", "m7" };

static inline void fill(char hex[65], char c)
{
	memset(hex, c, 64);
	hex[64] = 0;
}

static inline struct gate_note note_of(size_t i, char digest)
{
	struct gate_note n = { .generation = 1, .phase = GATE_READY, .beat = 1 };

	fill(n.plan, 'a');
	fill(n.ready, digest);
	fill(n.snapshot, digest);
	snprintf(n.token, sizeof n.token, "t-%c", digest);
	snprintf(n.node, sizeof n.node, "%s", names[i]);
	snprintf(n.hardware, sizeof n.hardware, "board %zu", i);
	snprintf(n.start, sizeof n.start, "%016zx", i + 1);
	return n;
}
