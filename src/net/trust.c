#include "net/trust.h"

#include <mbedtls/x509_crt.h>
#include <string.h>

#include "base/buf.h"

enum { ANCHORS_MAX = 8 << 20 };

int trust_check(struct span pem, const char *name, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(ANCHORS_MAX);
	mbedtls_x509_crt chain;

	/* mbedTLS knows PEM by the zero byte that ends it. */
	if (buf_add(&text, pem.p, pem.len, e) || buf_add(&text, "", 1, e))
		return err_wrap(e, "%s", name);
	mbedtls_x509_crt_init(&chain);
	/* Above zero: so many of them were not understood; an odd one does no harm. */
	const int bad = mbedtls_x509_crt_parse(&chain, text.p, text.len);
	const bool any = bad >= 0 && chain.raw.len;
	mbedtls_x509_crt_free(&chain);
	return any ? 0
		   : err_set(e, ERR_FORMAT,
			     "%s: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
			     name);
}
