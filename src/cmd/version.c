#include "cmd/version.h"

#include <archive.h>
#include <curl/curl.h>
#include <expat.h>
#include <libfyaml.h>
#include <libssh/libssh.h>
#include <mbedtls/version.h>

#ifndef VERSION
#define VERSION "unreleased"
#endif

const char version_text[] = VERSION;

static int libraries_print(struct buf *out, struct err *e)
{
	char mbedtls[32];

	mbedtls_version_get_string_full(mbedtls);
	return buf_print(out, e, "%s\n%s\n%s\nlibssh %s\nlibfyaml %s\n%s\n",
		archive_version_details(), curl_version(), mbedtls, ssh_version(0),
		fy_library_version(), XML_ExpatVersion());
}

int version_print(struct buf *out, bool libraries, struct err *e)
{
	if (buf_print(out, e, "etcd-rescue %s\n", version_text))
		return e->code;
	return libraries ? libraries_print(out, e) : 0;
}
