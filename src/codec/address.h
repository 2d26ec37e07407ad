/* codec/address.h - an IP address written in whatever way
 *
 *   10.0.0.1    FD00::7    fd00:0:0:0:0:0:0:7    [fd00::7]
 *
 * One with a zone ("fe80::1%eth0") is none here, nor is one inside another text.
 *
 * Source:     RFC 4291 section 2.2, RFC 5952; inet_pton(3).
 * Units:      bytes in network order.
 * Ownership:  none.
 * Errors:     none: what is no address has length 0.
 */
#pragma once

#include "base/str.h"

struct address {
	uint8_t bytes[16];
	size_t len; /* 4, 16; 0: it is no address */
};

struct address address_read(struct str text);

/* Two spellings of one address; or the same text, upper and lower case being one. */
bool address_same(struct str a, struct str b);
