/* codec/text.h - bytes as hex and base64, UTF-8, and text the way Go's JSON writes it
 *
 * Source:     RFC 4648 for base64, RFC 3629 for UTF-8; encoding/json of Go 1.24.
 * Units:      bytes.
 * Ownership:  appends to the caller's buf.
 * Errors:     ERR_SPACE from the buf; the readers give ERR_FORMAT and then have appended
 *             nothing.
 */
#pragma once

#include "base/buf.h"

int codec_text_hex(struct buf *out, struct span bytes, struct err *e); /* lower case */
int codec_text_unhex(struct buf *out, struct str hex, struct err *e);  /* either case */

int codec_text_base64(struct buf *out, struct span bytes, struct err *e); /* padded */
int codec_text_unbase64(struct buf *out, struct str text, struct err *e); /* must be padded */

/* How long the UTF-8 character at p is, `left` bytes being there at least 1; 0: it is none. */
size_t codec_text_utf8(const uint8_t *p, size_t left);

/* `s` in quotes exactly as Go's encoding/json writes it: < > & and U+2028, U+2029 are
 * escaped, bytes that are not UTF-8 become \ufffd.  codec/json.h is for our own output;
 * this is for bytes that have to equal etcd's. */
int codec_text_go_json(struct buf *out, struct str s, struct err *e);
