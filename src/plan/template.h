/* plan/template.h - one address of a plan for many machines: ${mac} ${uuid} ${serial} ${hostname}
 *
 *   http://boot.example/plans/${mac}.yaml  ->  http://boot.example/plans/52:54:00:12:34:56.yaml
 *
 * MAC and UUID are in lower case, colons stay; every other byte that is not a letter, a
 * digit or one of -._~ is percent-encoded, so that a serial number with a '/' or a '?'
 * stays one part of the path.
 *
 * Source:     the variables iPXE has, less the many that an attacker could choose.
 * Units:      none.
 * Ownership:  the result lives in the arena.
 * Errors:     ERR_FORMAT for an unknown ${name}; ERR_NOTFOUND when this machine does not
 *             know its own.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct template_facts { /* NULL: not known */
	const char *mac, *uuid, *serial, *hostname;
};

int template_expand(const char **out, struct arena *a, const char *url,
	const struct template_facts *facts, struct err *e);
