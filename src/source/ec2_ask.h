/* source/ec2_ask.h - one call of Amazon EC2: its form, signed; its refusals in words
 *
 *   struct ec2_form f = ec2_form("DeleteVolume", e);
 *   ec2_add(&f, volume, "VolumeId");
 *   return ec2_ask(&answer, ec2, &f, e);
 *
 * Source:     Amazon EC2 API reference, version 2016-11-15, "Query requests" and "Error codes".
 * Units:      bytes.
 * Ownership:  ec2_ask gives the form back; the answer is the caller's.
 * Errors:     those of source/ec2.h; what a form could not take is told by ec2_ask.
 */
#pragma once

#include "base/buf.h"
#include "source/ec2.h"

enum { EC2_ANSWER_MAX = 8 << 20 };

struct ec2_form {
	const char *action;
	struct buf text; /* every value percent-encoded */
	struct err *e;
	int bad;
};

struct ec2_form ec2_form(const char *action, struct err *e);
void ec2_add(struct ec2_form *form, const char *value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

/* Keys that have become stale are renewed once, in the image the clock is set once. */
int ec2_ask(struct buf *answer, struct ec2 *ec2, struct ec2_form *form, struct err *e);
