/* node/anchors.h - the certificate authorities this machine carries
 *
 * The public bundle (/etc/ssl/certs/ca-certificates.crt) and the site's own, put into the
 * image by customise (/etc/etcd-rescue/ca, *.pem and *.crt), joined in name order.
 *
 * Source:     PEM of RFC 7468; ca-certificates of Debian for the bundle.
 * Units:      none.
 * Ownership:  `pem` holds the text; a struct trust borrows it with buf_span.
 * Errors:     ERR_FORMAT for a file of the site that holds no certificate, naming it.  No
 *             file at all gives an empty text and no error.
 */
#pragma once

#include "base/buf.h"
#include "os/root.h"

enum { NODE_ANCHORS_MAX = 4 << 20 };

int node_anchors_load(struct buf *pem, const struct root *root, struct err *e);
