/* net/trust.h - whom a TLS connection believes
 *
 * Source:     libcurl 8, mbedTLS 3.6.
 * Units:      none.
 * Ownership:  borrows; what it points to must outlive the transfers.
 * Errors:     trust_check: ERR_FORMAT for anchors that hold no certificate.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct trust {
	struct span anchors;   /* PEM text: the CA bundle and the site's own CAs; empty: none */
	struct span cert, key; /* PEM text of a client's certificate and key; empty: none */
	const char *pin;       /* "sha256//BASE64" of the server's public key; NULL: any */
	bool only_date;        /* no verification: for the Date header of an unset clock alone */
};

/* Does this PEM text hold a certificate at all?  `name` is for the message. */
int trust_check(struct span pem, const char *name, struct err *e);
